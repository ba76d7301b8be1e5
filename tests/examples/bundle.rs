//! Makes the templates with which the suites run where there is no compiler: `bundle FOLDER`.

use std::io;
use std::path::Path;

fn main() -> io::Result<()> {
    let folder = std::env::args_os().nth(1);
    let folder = folder.ok_or_else(|| io::Error::other("bundle FOLDER"))?;
    weir_tests::bundle::make(Path::new(&folder));
    Ok(())
}
