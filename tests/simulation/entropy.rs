//! The same random numbers in every run.
//!
//! Hash tables are ordered by them, and so are the arms of a select. They come from the kernel, which a small library
//! stands in for.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

const VARIABLE: &str = "LD_PRELOAD";

/// Starts this program again with the library, unless that is done.
pub(crate) fn same_each_time() -> Result<()> {
    if std::env::var_os(VARIABLE).is_some() {
        return Ok(());
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let library = directory.join("entropy.so");
    // Another run may be at it too: what is put in place is whole.
    let ours = directory.join(format!("entropy-{}.so", std::process::id()));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simulation/entropy.c");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-o"])
        .arg(&ours)
        .arg(source)
        .status();
    ensure!(
        built.context("the simulation needs a C compiler, cc")?.success(),
        "cc could not build the library"
    );
    std::fs::rename(&ours, &library)?;
    let program = std::env::current_exe()?;
    let error = Command::new(program)
        .args(std::env::args_os().skip(1))
        .env(VARIABLE, library)
        // What is freed is kept at hand: a twentieth faster. Other C libraries take no notice.
        .env("GLIBC_TUNABLES", "glibc.malloc.tcache_count=4000")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .exec();
    Err(error).context("the simulation could not start itself again")
}
