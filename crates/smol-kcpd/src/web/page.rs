//! The page: files that were packed when the program was compiled, and the status that they show.

use super::answer::Answer;
use super::request::Request;
use crate::control::document;
use crate::running::Running;
use crate::status::as_json;

macro_rules! files {
    ($($path:literal $name:literal $kind:literal)*) => {
        /// The files, packed: where they are, and what they are.
        const FILES: &[(&str, &str, &[u8])] =
            &[$(($path, $kind, include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".gz")))),*];
    };
}

files! {
    "/" "index.html" "text/html; charset=utf-8"
    "/page.css" "page.css" "text/css; charset=utf-8"
    "/tunnels.css" "tunnels.css" "text/css; charset=utf-8"
    "/page.js" "page.js" "text/javascript; charset=utf-8"
    "/tunnels.js" "tunnels.js" "text/javascript; charset=utf-8"
    "/plot.js" "plot.js" "text/javascript; charset=utf-8"
    "/words.js" "words.js" "text/javascript; charset=utf-8"
    "/icon.svg" "icon.svg" "image/svg+xml"
}

/// Finds what is at a path. A browser unpacks it; nobody else is expected.
pub(super) fn find(request: &Request, running: &Running) -> Option<Answer> {
    if request.path == "/status.json" {
        let streams = request.query.strip_prefix("streams=").and_then(|text| text.parse().ok());
        let status = as_json(&running.status(streams.unwrap_or(0)));
        return Some(Answer::ok("application/json", document(&[status], None).into_bytes()));
    }
    let &(_, kind, packed) = FILES.iter().find(|(path, ..)| *path == request.path)?;
    Some(Answer::packed(kind, packed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_small() {
        let weight: usize = FILES.iter().map(|(.., packed)| packed.len()).sum();
        assert!(weight <= 20_000, "{weight} bytes");
    }
}
