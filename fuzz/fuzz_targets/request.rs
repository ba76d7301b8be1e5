//! An invocation: variables and stdin.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Err(broken) = weir_cni::fuzz::request(data) {
        panic!("{broken}");
    }
});
