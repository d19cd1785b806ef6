//! The LuCI application in a browser: its views, on a stand-in of LuCI, with the access list of the package, its catalogues,
//! and the real program.

mod router;
mod status;
mod tunnels;

use std::path::PathBuf;

use crate::browser::Browser;

fn picture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../luci-page").join(name)
}

/// Waits for a view to be there, and that it is.
fn shown(browser: &mut Browser) {
    browser.until("document.body?.dataset.shown");
    let text = browser.run("document.getElementById('view').textContent");
    assert!(!text.starts_with("failed: "), "{text}");
}

/// Nothing went wrong in the browser but what was not there or not allowed.
fn no_errors(browser: &Browser) {
    let errors = browser.events.iter().filter(|event| {
        event.contains("Runtime.exceptionThrown")
            || event.contains("\"level\":\"error\"") && !event.contains("status of 40")
    });
    assert_eq!(errors.collect::<Vec<_>>(), Vec::<&String>::new());
}
