//! REST services: which operation a method and a path are, and what the path names.

use url::form_urlencoded;

use super::Service;

struct Route {
    service: Service,
    method: &'static str,
    /// Segments in braces are parameters.
    path: &'static str,
    operation: &'static str,
}

const fn route(service: Service, method: &'static str, path: &'static str, operation: &'static str) -> Route {
    Route {
        service,
        method,
        path,
        operation,
    }
}

const ROUTES: [Route; 11] = [
    route(Service::Eks, "GET", "/clusters", "ListClusters"),
    route(Service::Eks, "GET", "/clusters/{name}/node-groups", "ListNodegroups"),
    route(
        Service::Eks,
        "GET",
        "/clusters/{name}/node-groups/{nodegroupName}",
        "DescribeNodegroup",
    ),
    route(
        Service::Batch,
        "POST",
        "/v1/describecomputeenvironments",
        "DescribeComputeEnvironments",
    ),
    route(Service::ImageBuilder, "POST", "/ListImageRecipes", "ListImageRecipes"),
    route(Service::ImageBuilder, "GET", "/GetImageRecipe", "GetImageRecipe"),
    route(
        Service::ImageBuilder,
        "POST",
        "/ListContainerRecipes",
        "ListContainerRecipes",
    ),
    route(
        Service::ImageBuilder,
        "GET",
        "/GetContainerRecipe",
        "GetContainerRecipe",
    ),
    route(Service::Inspector2, "POST", "/ondemand/scan", "StartOnDemandScan"),
    route(
        Service::Inspector2,
        "POST",
        "/ondemand/scan/status",
        "GetOnDemandScanStatus",
    ),
    route(Service::Inspector2, "POST", "/ondemand/scans", "ListOnDemandScans"),
];

/// The operation of a request, and the parameters in its path.
pub(crate) fn find(service: Service, method: &str, path: &str) -> Option<(&'static str, Vec<(String, String)>)> {
    ROUTES
        .iter()
        .filter(|r| r.service == service && r.method == method)
        .find_map(|r| Some((r.operation, parameters(r.path, path)?)))
}

fn parameters(pattern: &str, path: &str) -> Option<Vec<(String, String)>> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let (wanted, given): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    if wanted.len() != given.len() {
        return None;
    }
    let mut found = Vec::new();
    for (want, have) in wanted.into_iter().zip(given) {
        match want.strip_prefix('{').and_then(|w| w.strip_suffix('}')) {
            Some(name) if !have.is_empty() => found.push((name.to_owned(), decode(have))),
            None if want == have => {}
            _ => return None,
        }
    }
    Some(found)
}

/// Percent-decodes a segment, in which `+` stands for itself.
fn decode(segment: &str) -> String {
    let form = format!("s={}", segment.replace('+', "%2B"));
    form_urlencoded::parse(form.as_bytes())
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_its_operation_and_its_parameters() {
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        for (method, path, expected) in [
            ("GET", "/clusters", Some(("ListClusters", vec![]))),
            (
                "GET",
                "/clusters/a%20b/node-groups",
                Some(("ListNodegroups", vec![pair("name", "a b")])),
            ),
            (
                "GET",
                "/clusters/a/node-groups/b+c",
                Some((
                    "DescribeNodegroup",
                    vec![pair("name", "a"), pair("nodegroupName", "b+c")],
                )),
            ),
            ("POST", "/clusters", None),
            ("GET", "/clusters/a", None),
            ("GET", "/clusters//node-groups", None),
        ] {
            assert_eq!(find(Service::Eks, method, path), expected, "{method} {path}");
        }
        assert_eq!(find(Service::Batch, "GET", "/clusters"), None);
    }
}
