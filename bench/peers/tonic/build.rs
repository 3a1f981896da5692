//! Generates the service from Culvert's own copy of it. Needs protoc.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let protos = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("../../../proto");
    println!("cargo:rerun-if-changed={}", protos.display());
    // Bytes, not Vec: a payload that is sent again is not copied.
    tonic_prost_build::configure().bytes(".").compile_protos(&[protos.join("grpc/testing/benchmark_service.proto")], &[protos])?;
    Ok(())
}
