//! What is answered to a request.

use std::borrow::Cow;

/// Headers of every answer: nothing from elsewhere is loaded or sent, nothing is kept, nobody frames it.
const HEADERS: &str = "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n\
     X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n\
     Cross-Origin-Resource-Policy: same-origin\r\nCache-Control: no-store\r\nConnection: close\r\n";

/// A body, how it is called, and how it is packed.
pub(super) struct Answer {
    status: &'static str,
    kind: &'static str,
    is_gzip: bool,
    body: Cow<'static, [u8]>,
}

impl Answer {
    pub(super) fn ok(kind: &'static str, body: impl Into<Cow<'static, [u8]>>) -> Answer {
        Answer { status: "200 OK", kind, is_gzip: false, body: body.into() }
    }

    /// One of which the body is packed.
    #[cfg(feature = "http")]
    pub(super) fn packed(kind: &'static str, body: &'static [u8]) -> Answer {
        Answer { is_gzip: true, ..Answer::ok(kind, body) }
    }

    pub(super) fn failed(status: &'static str, why: &'static str) -> Answer {
        Answer {
            status,
            kind: "text/plain; charset=utf-8",
            is_gzip: false,
            body: why.as_bytes().into(),
        }
    }

    /// Writes it as it travels.
    pub(super) fn written(self, is_head: bool) -> Vec<u8> {
        let Answer { status, kind, is_gzip, body } = self;
        let packed = if is_gzip { "Content-Encoding: gzip\r\n" } else { "" };
        let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
        let len = body.len();
        let mut bytes = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\n{packed}{allow}{HEADERS}\r\n"
        )
        .into_bytes();
        if !is_head {
            bytes.extend_from_slice(&body);
        }
        bytes
    }
}
