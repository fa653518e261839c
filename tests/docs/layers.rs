//! Dependencies point inward, as CONTRIBUTING.md says. The compiler does not hold the modules of one crate to that.

use std::path::{Path, PathBuf};

use regex::Regex;

/// What rules must not know: whoever acts on them, the cluster, AWS, and the time.
const BEYOND_RULES: &[&str] = &[
    r"\bcrate::(aws|controller|cli|telemetry|clock)\b",
    r"\bkube::(Client|Api|Config|client|api|config|runtime)\b",
    r"\bkube::\{[^}]*\b(Client|Api|Config|client|api|config|runtime)\b",
    r"\baws_(sdk|config|smithy|types|credential)",
    r"\b(Instant|SystemTime)\b",
    r"\bTimestamp::now\b",
    r"\b(tokio|tokio_util)\b",
];

/// The folders of `src`, and what their code must not name.
const LAYERS: &[(&str, &[&str])] = &[
    ("api", BEYOND_RULES),
    ("api", &[r"\bcrate::plan\b"]),
    ("domain", BEYOND_RULES),
    ("domain", &[r"\bcrate::(api|plan)\b", r"\bkube\b"]),
    ("plan", BEYOND_RULES),
    ("aws", &[r"\bcrate::(api|plan|controller|cli|telemetry)\b", r"\bkube\b"]),
    ("controller", &[r"\bcrate::cli\b"]),
    ("telemetry", &[r"\bcrate::(controller|cli)\b"]),
];

/// The sources below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// The code of a source without its comments, which may name anything.
fn code(source: &Path) -> String {
    let text = std::fs::read_to_string(source).expect("a source");
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn no_layer_names_what_lies_beyond_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    // A path through a group or up to the crate would hide what it leads to.
    let hides =
        Regex::new(r"\bcrate::\{|\bsuper::(aws|api|controller|cli|telemetry|clock|domain|plan)::").expect("a pattern");
    for (layer, beyond) in LAYERS {
        let beyond: Vec<Regex> = beyond.iter().map(|name| Regex::new(name).expect("a pattern")).collect();
        let sources = sources(&src.join(layer));
        assert!(!sources.is_empty(), "src/{layer} has no sources");
        for source in sources {
            let code = code(&source);
            for pattern in beyond.iter().chain([&hides]) {
                let found = pattern.find(&code).map(|found| found.as_str());
                assert_eq!(found, None, "{} must not name it", source.display());
            }
        }
    }
}
