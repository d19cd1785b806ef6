//! What is where.

use super::answer::Answer;
use super::request::{Request, Wrong};
use crate::running::Running;

/// What one address has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    #[cfg_attr(not(feature = "http"), allow(dead_code))]
    pub(super) page: bool,
    #[cfg_attr(not(feature = "metrics"), allow(dead_code))]
    pub(super) metrics: bool,
    /// Only this machine can ask.
    #[cfg_attr(not(feature = "metrics"), allow(dead_code))]
    pub(super) is_loopback: bool,
}

/// Finds what a head asks for, and writes the answer.
pub(super) fn answer_to(head: &[u8], offer: &Offer, running: &Running) -> Vec<u8> {
    let request = Request::parse(head);
    let is_head = request.as_ref().is_ok_and(|request| request.is_head);
    let answer = match request {
        Ok(request) => find(&request, offer, running),
        Err(Wrong::Bad) => Answer::failed("400 Bad Request", "not a request\n"),
        Err(Wrong::Method) => Answer::failed("405 Method Not Allowed", "only GET and HEAD\n"),
    };
    answer.written(is_head)
}

fn find(request: &Request, offer: &Offer, running: &Running) -> Answer {
    #[cfg(feature = "metrics")]
    if offer.metrics && request.path == "/metrics" {
        // Prometheus may know this machine by a name, which is refused only where none but this machine can ask.
        return match request.is_for_us() || !offer.is_loopback {
            true => {
                let text = crate::status::as_metrics(&running.status(0));
                Answer::ok("text/plain; version=0.0.4; charset=utf-8", text.into_bytes())
            }
            false => stranger(),
        };
    }
    #[cfg(feature = "http")]
    if offer.page {
        return match request.is_for_us() {
            true => super::page::find(request, running).unwrap_or_else(nothing),
            false => stranger(),
        };
    }
    let _ = (offer, running);
    nothing()
}

fn nothing() -> Answer {
    Answer::failed("404 Not Found", "nothing is there\n")
}

fn stranger() -> Answer {
    let why = "use the address of this machine, or localhost: a name may be somebody else's\n";
    Answer::failed("403 Forbidden", why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Runtime;

    fn asked(head: &str, offer: &Offer) -> String {
        let answer = answer_to(head.as_bytes(), offer, &Running::new(&Runtime::new()));
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn metrics(is_loopback: bool) -> Offer {
        Offer { page: false, metrics: true, is_loopback }
    }

    #[test]
    fn every_answer_keeps_browsers_from_going_elsewhere() {
        for head in [
            "GET /metrics HTTP/1.1\r\nHost: [::1]",
            "GET / HTTP/1.1\r\nHost: [::1]",
            "",
            "PUT / HTTP/1.1",
        ] {
            let answer = asked(head, &metrics(true));
            assert!(
                answer.contains("default-src 'none'") && answer.contains("nosniff"),
                "{answer}"
            );
        }
    }

    #[test]
    fn what_is_not_there_or_not_allowed_is_said_in_a_status() {
        let status =
            |head: &str| asked(head, &metrics(true)).split("\r\n").next().unwrap().to_string();
        assert_eq!(status("GET / HTTP/1.1\r\nHost: [::1]"), "HTTP/1.1 404 Not Found");
        assert_eq!(status("DELETE / HTTP/1.1\r\nHost: [::1]"), "HTTP/1.1 405 Method Not Allowed");
        assert_eq!(status("\x16\x03\x01"), "HTTP/1.1 400 Bad Request");
    }

    #[cfg(feature = "metrics")]
    #[test]
    fn a_strange_name_gets_no_metrics_on_loopback_and_does_where_others_may_ask() {
        let head = "GET /metrics HTTP/1.1\r\nHost: evil.example";
        assert!(asked(head, &metrics(true)).starts_with("HTTP/1.1 403 "));
        assert!(asked(head, &metrics(false)).starts_with("HTTP/1.1 200 "));
        let whole = asked("GET /metrics HTTP/1.1\r\nHost: localhost", &metrics(true));
        let head = asked("HEAD /metrics HTTP/1.1\r\nHost: localhost", &metrics(true));
        assert!(head.ends_with("\r\n\r\n") && whole.contains("\r\n\r\n# HELP "), "{whole}");
    }
}
