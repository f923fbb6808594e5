//! Links the addon against the symbols that Node provides at load time.

fn main() {
    napi_build::setup();
}
