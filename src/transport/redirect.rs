//! The one redirect that is followed: from a path to the same path with or without a slash at its
//! end.
//!
//! The vendor's page and its clients differ in these slashes, so the service may send a call from
//! one form to the other, by which it says that nothing was done.

use percent_encoding::percent_decode_str;
use ureq::http::Uri;

use super::is_https;

/// Returns the other form of a path.
pub(super) fn other_form(path: &str) -> String {
    match path.strip_suffix('/') {
        Some(bare) => bare.to_owned(),
        None => format!("{path}/"),
    }
}

/// Whether a status is a redirect that keeps the method and the body of such a call.
pub(super) fn keeps_method(status: u16, method: &str) -> bool {
    match status {
        307 | 308 => true,
        301 | 302 => method == "GET",
        _ => false,
    }
}

/// Whether a `Location` is `url` with the other form of its path. Both can have a query, which does
/// not count: the call's own is sent.
pub(super) fn is_other_form(location: &str, url: &Uri) -> bool {
    let Ok(target) = location.parse::<Uri>() else {
        return false;
    };
    let is_here = match target.authority() {
        Some(_) => is_same_origin(&target, url),
        None => location.starts_with('/'),
    };
    is_here && decoded(target.path()) == decoded(&other_form(url.path()))
}

/// Whether scheme, host and port are the same. The host has no case.
fn is_same_origin(one: &Uri, other: &Uri) -> bool {
    let one_host = one.host().unwrap_or_default();
    let other_host = other.host().unwrap_or_default();
    one.scheme() == other.scheme()
        && one_host.eq_ignore_ascii_case(other_host)
        && port(one) == port(other)
}

fn port(uri: &Uri) -> u16 {
    let default = if is_https(uri) { 443 } else { 80 };
    uri.port_u16().unwrap_or(default)
}

/// Decodes a path, since a service may encode another set of characters. An encoded slash stays
/// apart from a plain one.
fn decoded(path: &str) -> Vec<Vec<u8>> {
    let segments = path.split('/');
    segments
        .map(|segment| percent_decode_str(segment).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_path_with_or_without_a_slash_is_the_other_form() {
        let url: Uri = "https://api.example/v1/projects/a%20b?size=1"
            .parse()
            .unwrap();
        for same in [
            "/v1/projects/a%20b/",
            "/v1/projects/a%20b/?size=1",
            "https://API.example:443/v1/projects/%61%20b/",
        ] {
            assert!(is_other_form(same, &url), "{same}");
        }
        for other in [
            "/v1/projects/a%20b",
            "/v1/projects/a%20b//",
            "/v2/projects/a%20b/",
            "/v1%2Fprojects/a%20b/",
            "http://api.example/v1/projects/a%20b/",
            "https://api.example:444/v1/projects/a%20b/",
            "https://evil.example/v1/projects/a%20b/",
            "//evil.example/v1/projects/a%20b/",
            "v1/projects/a%20b/",
            "",
        ] {
            assert!(!is_other_form(other, &url), "{other}");
        }
        let slashed: Uri = "http://127.0.0.1:8080/v1/projects/".parse().unwrap();
        assert!(is_other_form("http://127.0.0.1:8080/v1/projects", &slashed));
    }

    #[test]
    fn a_post_is_followed_only_where_it_stays_one() {
        for (status, method, is_kept) in [
            (307, "POST", true),
            (308, "DELETE", true),
            (301, "GET", true),
            (302, "GET", true),
            (301, "POST", false),
            (302, "DELETE", false),
            (303, "GET", false),
            (200, "GET", false),
        ] {
            assert_eq!(keeps_method(status, method), is_kept, "{status} {method}");
        }
    }
}
