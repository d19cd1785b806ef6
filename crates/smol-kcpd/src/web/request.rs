//! The head of a request (RFC 9112), as much of it as matters here.

use std::net::IpAddr;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Only the head of the answer is wanted.
    pub(super) is_head: bool,
    pub(super) path: String,
    /// What is behind the `?`.
    pub(super) query: String,
    /// The value of `Host`.
    pub(super) host: String,
}

/// What is wrong with a request: the status to answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is none.
    Bad,
    /// It wants to change something.
    Method,
}

impl Request {
    /// Reads a head without the empty line behind it.
    pub(super) fn parse(head: &[u8]) -> Result<Request, Wrong> {
        let head = std::str::from_utf8(head).map_err(|_| Wrong::Bad)?;
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (method, target, version) = (words.next(), words.next(), words.next());
        let is_http = version.is_some_and(|version| version.starts_with("HTTP/1."));
        let (Some(method), Some(target), true, None) = (method, target, is_http, words.next())
        else {
            return Err(Wrong::Bad);
        };
        if !target.starts_with('/') {
            return Err(Wrong::Bad);
        }
        let is_head = match method {
            "GET" => false,
            "HEAD" => true,
            _ => return Err(Wrong::Method),
        };
        let mut hosts = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("host").then(|| value.trim_matches([' ', '\t']))
        });
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(Wrong::Bad) };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Ok(Request { is_head, path: path.into(), query: query.into(), host: host.into() })
    }

    /// Returns whether it was meant for this machine: by an address, or as `localhost`. A page from elsewhere whose name
    /// was made to lead here (DNS rebinding) says that name.
    pub(super) fn is_for_us(&self) -> bool {
        let name = match self.host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => &self.host,
        };
        let literal = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        match literal {
            Some(ip) => ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()),
            None => {
                name.eq_ignore_ascii_case("localhost")
                    || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(head: &str) -> Result<Request, Wrong> {
        Request::parse(head.as_bytes())
    }

    #[test]
    fn a_browser_is_understood() {
        let asked = read("GET /status.json?streams=9 HTTP/1.1\r\nAccept: */*\r\nhOST:  [::1]:8080")
            .unwrap();
        assert_eq!((asked.path.as_str(), asked.query.as_str()), ("/status.json", "streams=9"));
        assert_eq!((asked.host.as_str(), asked.is_head), ("[::1]:8080", false));
        assert!(read("HEAD / HTTP/1.0\r\nHost: a").unwrap().is_head);
        assert_eq!(read("POST / HTTP/1.1\r\nHost: a"), Err(Wrong::Method));
        for bad in [
            "",
            "GET /",
            "GET / HTTP/2",
            "GET http://a/ HTTP/1.1\r\nHost: a",
            "GET / HTTP/1.1",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b",
            "GET /  HTTP/1.1\r\nHost: a",
        ] {
            assert_eq!(read(bad), Err(Wrong::Bad), "{bad}");
        }
    }

    #[test]
    fn a_name_that_somebody_else_has_made_lead_here_is_not_ours() {
        let is_for_us =
            |host: &str| read(&format!("GET / HTTP/1.1\r\nHost: {host}")).unwrap().is_for_us();
        for ours in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "[::1]:8080",
            "[fd00::1]",
            "localhost:1",
            "LocalHost",
            "192.168.1.1",
        ] {
            assert!(is_for_us(ours), "{ours}");
        }
        for other in [
            "",
            "evil.example",
            "evil.example:8080",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "::1",
            "[127.0.0.1]",
            "127.1:80",
            "localhost:80:80",
        ] {
            assert!(!is_for_us(other), "{other}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(head in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(request) = Request::parse(&head) {
                request.is_for_us();
                prop_assert!(request.path.starts_with('/'));
            }
        }

        #[test]
        fn whatever_comes_behind_a_method_is_too(rest in "GET /[ -~\r\n:]{0,80}") {
            let _ = read(&rest).map(|request| request.is_for_us());
        }
    }
}
