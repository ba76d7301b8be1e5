//! The result of another plugin.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Err(broken) = weir_cni::fuzz::previous_result(data) {
        panic!("{broken}");
    }
});
