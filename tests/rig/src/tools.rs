//! Where the pinned binaries are that `make tools` builds.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

const KUBERNETES_MODULE: &str = include_str!("../../tools/kubernetes/go.mod");
const ETCD_MODULE: &str = include_str!("../../tools/etcd/go.mod");
const HELM_MODULE: &str = include_str!("../../tools/helm/go.mod");
const PROMETHEUS_MODULE: &str = include_str!("../../tools/prometheus/go.mod");
const GITOPS_MODULE: &str = include_str!("../../tools/gitops/go.mod");
const GRAFANA_MODULE: &str = include_str!("../../tools/grafana/go.mod");

/// Names another version of Kubernetes than the pinned one.
const KUBERNETES_VERSION: &str = "AMISEAL_KUBERNETES";

/// A program of the control plane, or to work with one, built from a Go module whose `go.mod` pins its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// The store.
    Etcd,
    /// The API server.
    KubeApiserver,
    /// Garbage collector and Job controllers.
    KubeControllerManager,
    /// The client that people use.
    Kubectl,
    /// The installer of charts.
    Helm,
    /// Reads metrics, and says by rules what is wrong.
    Prometheus,
    /// Checks and plays the rules of Prometheus.
    Promtool,
    /// Says what Argo CD and Flux make of objects.
    Gitops,
    /// Says what Grafana's schema has against a dashboard.
    Grafana,
}

impl Tool {
    /// The file name of the binary.
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::Kubectl => "kubectl",
            Self::Helm => "helm",
            Self::Prometheus => "prometheus",
            Self::Promtool => "promtool",
            Self::Gitops => "gitops",
            Self::Grafana => "grafana",
        }
    }

    /// The version, such as `v1.36.3`: the one that `tests/tools` pins, or, for what is of Kubernetes, the one that
    /// `AMISEAL_KUBERNETES` names (`make test-kubernetes` sets it).
    pub fn version(self) -> Result<String> {
        let other = std::env::var(KUBERNETES_VERSION)
            .ok()
            .filter(|version| !version.is_empty());
        match other {
            Some(version) if self.is_of_kubernetes() => Ok(version),
            _ => Ok(self.pinned()?.to_owned()),
        }
    }

    fn is_of_kubernetes(self) -> bool {
        matches!(self, Self::KubeApiserver | Self::KubeControllerManager | Self::Kubectl)
    }

    /// The version that `tests/tools` pins.
    fn pinned(self) -> Result<&'static str> {
        let (go_mod, module) = match self {
            Self::Etcd => (ETCD_MODULE, "go.etcd.io/etcd/server/v3"),
            Self::KubeApiserver | Self::KubeControllerManager | Self::Kubectl => {
                (KUBERNETES_MODULE, "k8s.io/kubernetes")
            }
            Self::Helm => (HELM_MODULE, "helm.sh/helm/v4"),
            Self::Prometheus | Self::Promtool => (PROMETHEUS_MODULE, "github.com/prometheus/prometheus"),
            Self::Gitops => (GITOPS_MODULE, "github.com/fluxcd/pkg/runtime"),
            Self::Grafana => (GRAFANA_MODULE, "github.com/grafana/grafana-foundation-sdk/go"),
        };
        required_version(go_mod, module)
            .with_context(|| format!("no version of {module} in its go.mod under tests/tools"))
    }

    /// The binary's path, which exists.
    ///
    /// It is looked for in `AMISEAL_TOOLS` (the Makefile sets it), else in the default cache of the Makefile.
    pub fn path(self) -> Result<PathBuf> {
        let module = match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver | Self::KubeControllerManager | Self::Kubectl => "kubernetes",
            Self::Helm => "helm",
            Self::Prometheus | Self::Promtool => "prometheus",
            Self::Gitops => "gitops",
            Self::Grafana => "grafana",
        };
        let path = directory()?
            .join(format!("{module}-{}", self.version()?))
            .join(self.name());
        if !path.is_file() {
            let (path, target) = (path.display(), self.target());
            bail!("{path} does not exist: run `make {target}`, which builds it");
        }
        Ok(path)
    }
}

impl Tool {
    /// What of the Makefile builds it.
    fn target(self) -> String {
        match std::env::var(KUBERNETES_VERSION) {
            Ok(version) if self.is_of_kubernetes() => format!("tools VERSION={}", minor(&version)),
            _ => "tools-all".to_owned(),
        }
    }
}

/// `1.35` of `v1.35.4`.
fn minor(version: &str) -> &str {
    let version = version.trim_start_matches('v');
    version.rsplit_once('.').map_or(version, |(minor, _)| minor)
}

fn directory() -> Result<PathBuf> {
    if let Some(tools) = std::env::var_os("AMISEAL_TOOLS") {
        return Ok(PathBuf::from(tools));
    }
    let cache = match std::env::var_os("AMISEAL_CACHE") {
        Some(cache) => PathBuf::from(cache),
        None => {
            let home = std::env::var_os("HOME").context("neither AMISEAL_TOOLS, AMISEAL_CACHE nor HOME is set")?;
            PathBuf::from(home).join(".cache/amiseal")
        }
    };
    Ok(cache.join("bin"))
}

/// The version in a line `[require] <module> <version> [// indirect]`.
fn required_version<'a>(go_mod: &'a str, module: &str) -> Option<&'a str> {
    go_mod.lines().find_map(|line| {
        let mut words = line.trim().trim_start_matches("require ").split_whitespace();
        (words.next() == Some(module))
            .then(|| words.next())
            .flatten()
            .filter(|version| version.starts_with('v'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_both_forms_of_a_require_directive() {
        assert_eq!(
            required_version("require example.com/a v1.2.3\n", "example.com/a"),
            Some("v1.2.3")
        );
        assert_eq!(
            required_version(
                "tool example.com/a\nrequire (\n\texample.com/a v1.2.3 // indirect\n)",
                "example.com/a"
            ),
            Some("v1.2.3")
        );
        assert_eq!(
            required_version("require example.com/ab v1.2.3\n", "example.com/a"),
            None
        );
    }

    #[test]
    fn every_tool_has_a_pinned_version() {
        for tool in [
            Tool::Etcd,
            Tool::KubeApiserver,
            Tool::KubeControllerManager,
            Tool::Kubectl,
            Tool::Helm,
            Tool::Prometheus,
            Tool::Promtool,
            Tool::Gitops,
            Tool::Grafana,
        ] {
            let version = tool.pinned().expect("a version");
            assert!(
                version.starts_with('v') && version.split('.').count() == 3,
                "{tool:?}: {version}"
            );
        }
    }

    #[test]
    fn the_module_of_another_kubernetes_is_named_by_its_minor_version_and_replaces_all_libraries_by_it() {
        let tools = concat!(env!("CARGO_MANIFEST_DIR"), "/../tools");
        let mut minors = Vec::new();
        for entry in std::fs::read_dir(tools).expect("tests/tools") {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_string().expect("UTF-8");
            let Some(named) = name.strip_prefix("kubernetes-") else {
                continue;
            };
            let text = std::fs::read_to_string(entry.path().join("go.mod")).expect("a go.mod");
            let version = required_version(&text, "k8s.io/kubernetes").expect("a version");
            assert_eq!(minor(version), named);
            let library = version.replace("v1.", "v0.");
            let replaced: Vec<&str> = text.lines().filter(|line| line.contains(" => ")).collect();
            assert!(replaced.len() > 25, "{name}: {replaced:?}");
            assert!(
                replaced.iter().all(|line| line.ends_with(&library)),
                "{name}: {replaced:?}"
            );
            minors.push(named.to_owned());
        }
        minors.sort();
        assert_eq!(minors, ["1.35", "1.37"]);
    }
}
