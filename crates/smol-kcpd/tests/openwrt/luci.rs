//! The packages of the LuCI application: their files, their catalogues, and what LuCI reads of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use smol_kcpd::{KCPTUN_OPTIONS, OPTIONS};

use super::apk::Package;
use super::ipk::{content, unpack, EPOCH};
use super::makefile::{files, make_of};
use super::{folder, is_installed, printed, tree};

const PACKAGES: [&str; 3] =
    ["luci-app-smol-kcp", "luci-i18n-smol-kcp-de", "luci-i18n-smol-kcp-zh-cn"];

fn read(path: &str) -> String {
    fs::read_to_string(tree("openwrt/luci-app-smol-kcp").join(path)).expect(path)
}

/// The packages that make-luci.sh makes, in the order of their names.
fn made(out: &Path, format: &str) -> Vec<String> {
    let mut command = Command::new("sh");
    command.arg(tree("openwrt/make-luci.sh")).arg(format).current_dir(out);
    command.env("OUT", out).env("SOURCE_DATE_EPOCH", EPOCH);
    printed(&mut command).lines().map(String::from).collect()
}

type Files = BTreeMap<String, (u32, Vec<u8>)>;

fn of_ipk(path: &str) -> (String, Files) {
    let outer = unpack(&fs::read(path).expect("a package"));
    let control = unpack(content(&outer, "./control.tar.gz"));
    let data = unpack(content(&outer, "./data.tar.gz")).into_iter();
    let files = data.filter(|member| !member.path.ends_with('/'));
    let control = String::from_utf8(content(&control, "./control").to_vec()).expect("text");
    (control, files.map(|member| (member.path, (member.mode, member.content))).collect())
}

#[test]
fn opkg_apk_and_the_sdk_install_the_same_files() {
    if !is_installed("make") {
        return;
    }
    let (ipk, apk) = (folder("luci_ipk"), folder("luci_apk"));
    let packages = made(&ipk, "ipk").into_iter().zip(made(&apk, "apk")).zip(PACKAGES);
    for ((ipk, apk), name) in packages {
        let (control, by_script) = of_ipk(&ipk);
        assert!(control.starts_with(&format!("Package: {name}\n")), "{control}");
        assert!(control.contains("\nArchitecture: all\n"), "{control}");

        let package = Package::read(Path::new(&apk));
        let info = package.root().field(1);
        assert_eq!((info.field(1).text(), info.field(5).text()), (name, "noarch"));
        let depends: Vec<&str> =
            info.field(15).slots().iter().map(|it| it.field(1).text()).collect();
        assert!(control.contains(&format!("\nDepends: {}\n", depends.join(", "))), "{depends:?}");
        let mut by_apk = package.files();
        by_apk.retain(|path, _| !path.starts_with("lib/apk/"));
        let by_apk: Files =
            by_apk.into_iter().map(|(path, file)| (format!("./{path}"), file)).collect();
        assert!(by_apk == by_script, "{name}");

        let work = folder(&format!("luci_sdk_{name}"));
        fs::create_dir_all(work.join("root")).expect("a folder");
        make_of("luci-app-smol-kcp", name, &work, "mips", "install");
        let mut by_make = Files::new();
        files(&work.join("root"), &work.join("root"), &mut by_make);
        assert!(by_make == by_script, "{name}");
        let said = make_of("luci-app-smol-kcp", name, &work, "mips", "fields");
        assert!(said.contains(concat!("PKG_VERSION=", env!("CARGO_PKG_VERSION"))), "{said}");
        assert!(said.contains("SECTION=luci\n") && said.contains("PKGARCH=all\n"), "{said}");
    }
}

#[test]
fn the_application_is_small_and_has_the_code_of_the_daemons_page() {
    let out = folder("luci_size");
    let (_, files) = of_ipk(&made(&out, "ipk")[0]);
    let size: usize = files.values().map(|(_, content)| content.len()).sum();
    assert!(size <= 40_000, "{size} bytes");
    for name in ["plot.js", "tunnels.js", "tunnels.css", "words.js"] {
        let there = &files[&format!("./www/luci-static/resources/smol-kcp/{name}")].1;
        let here = fs::read(tree("crates/smol-kcpd/web").join(name)).expect("a file");
        assert!(*there == here, "{name}");
    }
    // The views that the menu leads to are there.
    let menu = read("root/usr/share/luci/menu.d/luci-app-smol-kcp.json");
    for view in ["smol-kcp/status", "smol-kcp/tunnels"] {
        assert!(menu.contains(&format!("\"path\": \"{view}\"")), "{menu}");
        assert!(files.contains_key(&format!("./www/luci-static/resources/view/{view}.js")));
    }
    assert!(files.values().all(|(mode, _)| *mode == 0o644));
}

/// The originals of a catalogue with their translations.
fn catalogue(path: &str) -> BTreeMap<String, String> {
    let (text, mut all, mut last) = (read(path), BTreeMap::new(), String::new());
    let unquoted = |text: &str| text[1..text.len() - 1].replace("\\\"", "\"").replace("\\\\", "\\");
    for line in text.lines() {
        if let Some(original) = line.strip_prefix("msgid ") {
            last = unquoted(original);
        } else if let Some(translation) = line.strip_prefix("msgstr ") {
            assert!(
                all.insert(last.clone(), unquoted(translation)).is_none(),
                "{last} is there twice"
            );
        }
    }
    all.remove("");
    all
}

#[test]
fn every_text_is_translated() {
    let template = catalogue("po/templates/smol-kcp.pot");
    assert!(template.len() > 100 && template.values().all(String::is_empty));
    // What the options say is there, those of kcptun too, and what the views say.
    let told: BTreeSet<&str> = template.keys().map(String::as_str).collect();
    for option in OPTIONS.iter().chain(KCPTUN_OPTIONS) {
        assert!(told.contains(option.help), "{}: make the template anew (po.py)", option.name);
    }
    for view in ["status", "tunnels"] {
        let source = read(&format!("htdocs/luci-static/resources/view/smol-kcp/{view}.js"));
        for text in
            source.split("_('").skip(1).map(|rest| rest.split("')").next().expect("its end"))
        {
            assert!(told.contains(text), "{text}: make the template anew (po.py)");
        }
    }
    for path in ["po/de/smol-kcp.po", "po/zh_Hans/smol-kcp.po"] {
        let translated = catalogue(path);
        assert_eq!(
            translated.keys().collect::<Vec<_>>(),
            template.keys().collect::<Vec<_>>(),
            "{path}"
        );
        for (original, translation) in &translated {
            assert!(!translation.is_empty(), "{path}: {original}");
            assert_eq!(
                original.matches("%s").count(),
                translation.matches("%s").count(),
                "{original}"
            );
            // As LuCI looks for it.
            assert_eq!(original.split_whitespace().collect::<Vec<_>>().join(" "), *original);
        }
    }
}

#[test]
fn the_template_is_what_the_program_and_the_views_say() {
    // Only a program with all options makes the whole of it.
    if KCPTUN_OPTIONS.is_empty() {
        return;
    }
    let options =
        crate::built::program().args(["options", "--json"]).output().expect("the program");
    let file = folder("luci_template").join("options.json");
    fs::write(&file, options.stdout).expect("a file");
    let mut command = Command::new("python3");
    command.arg(tree("openwrt/po.py")).arg("template").stdin(fs::File::open(file).expect("it"));
    assert_eq!(printed(&mut command), read("po/templates/smol-kcp.pot"));
}

#[test]
fn the_same_input_gives_the_same_packages() {
    for format in ["ipk", "apk"] {
        let (one, two) =
            (folder(&format!("luci_one_{format}")), folder(&format!("luci_two_{format}")));
        for (one, two) in made(&one, format).into_iter().zip(made(&two, format)) {
            assert!(fs::read(&one).expect("one") == fs::read(&two).expect("two"), "{one}");
        }
    }
    let wrong =
        Command::new("sh").arg(tree("openwrt/make-luci.sh")).arg("rpm").output().expect("a shell");
    assert!(wrong.status.code() == Some(2) && !wrong.stderr.is_empty());
}
