//! Packs the files of the page, which are in `web/`.

fn main() {
    println!("cargo::rerun-if-changed=web");
    #[cfg(feature = "http")]
    pack();
}

#[cfg(feature = "http")]
fn pack() {
    use std::io::Write;
    use std::path::PathBuf;

    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo says where"));
    for name in [
        "index.html",
        "page.css",
        "tunnels.css",
        "page.js",
        "tunnels.js",
        "plot.js",
        "words.js",
        "icon.svg",
    ] {
        let text = std::fs::read(format!("web/{name}")).expect("a file of the page");
        let file = std::fs::File::create(out.join(format!("{name}.gz"))).expect("a file");
        // No time and no name are in it: the same files are always the same bytes.
        let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::best());
        packed.write_all(&text).expect("room on the disk");
        packed.finish().expect("room on the disk");
    }
}
