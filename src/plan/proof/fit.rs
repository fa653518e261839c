//! Whether an image can be launched on an instance type, as far as that is known before AWS is asked.

use wildmatch::WildMatch;

use crate::api::conditions::reason;
use crate::domain::{Image, InstanceTypes};
use crate::plan::obstacle::Problem;

/// Why an image cannot be launched on this type.
pub(super) fn problem(image: &Image, instance_type: &str) -> Option<Problem> {
    let mismatch = |what: String| {
        let message = format!("{what}: name another type in validation.launch.instanceType.");
        Some(Problem::new(reason::INSTANCE_TYPE_MISMATCH, message))
    };
    if image
        .instance_types()
        .is_some_and(|types| !allows(types, instance_type))
    {
        return mismatch(format!(
            "The image {} cannot be launched on {instance_type}, as its instance types say",
            image.id
        ));
    }
    let of_image = image.attributes.get("architecture").map(|text| &**text)?;
    let of_type = architecture(instance_type)?;
    let fits = match of_image {
        "arm64" => of_type == "arm64",
        "x86_64" | "i386" => of_type == "x86_64",
        // Those of Macs, and those to come.
        _ => true,
    };
    if fits {
        return None;
    }
    mismatch(format!(
        "The image {} is of the architecture {of_image}, and {instance_type} is of {of_type}",
        image.id
    ))
}

fn allows(types: &InstanceTypes, instance_type: &str) -> bool {
    let has = |patterns: &std::collections::BTreeSet<Box<str>>| {
        patterns
            .iter()
            .any(|pattern| WildMatch::new(pattern).matches(instance_type))
    };
    (types.supported.is_empty() || has(&types.supported)) && !has(&types.unsupported)
}

/// The architecture of a type by its name, where the name has the form that AWS gives names: a family, a generation, what else there
/// is to it, of which `g` stands for Graviton, and a size ("Amazon EC2 instance type naming conventions").
fn architecture(instance_type: &str) -> Option<&'static str> {
    let (name, _) = instance_type.split_once('.')?;
    let generation = name.find(|sign: char| sign.is_ascii_digit())?;
    let (family, rest) = name.split_at(generation);
    let more = rest.trim_start_matches(|sign: char| sign.is_ascii_digit());
    // What follows a hyphen tells of something else.
    let more = more.split('-').next().unwrap_or_default();
    if family.is_empty() || family.starts_with("mac") || family.contains('-') {
        return None;
    }
    let is_graviton = more.contains('g') || name == "a1";
    Some(if is_graviton { "arm64" } else { "x86_64" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::image;

    #[test]
    fn the_architecture_of_a_type_is_known_by_its_name() {
        for (name, expected) in [
            ("t3.nano", Some("x86_64")),
            ("t4g.nano", Some("arm64")),
            ("g4dn.xlarge", Some("x86_64")),
            ("g5g.xlarge", Some("arm64")),
            ("a1.large", Some("arm64")),
            ("x2gd.metal", Some("arm64")),
            ("is4gen.large", Some("arm64")),
            ("m7i-flex.large", Some("x86_64")),
            ("u7i-12tb.224xlarge", Some("x86_64")),
            ("u-6tb1.56xlarge", None),
            ("mac2.metal", None),
            ("huge", None),
        ] {
            assert_eq!(architecture(name), expected, "{name}");
        }
    }

    #[test]
    fn what_the_image_does_not_allow_is_said_before_aws_is_asked() {
        let types = |supported: &[&str], unsupported: &[&str]| InstanceTypes {
            supported: supported.iter().map(|text| (*text).into()).collect(),
            unsupported: unsupported.iter().map(|text| (*text).into()).collect(),
        };
        for (types, fits) in [
            (types(&[], &[]), true),
            (types(&["t3.*"], &[]), true),
            (types(&["m5.large"], &[]), false),
            (types(&["t3.*"], &["t3.nano"]), false),
        ] {
            let mut copy = image(1, 1);
            copy.extras.get_or_insert_default().instance_types = Some(types.clone());
            assert_eq!(problem(&copy, "t3.nano").is_none(), fits, "{types:?}");
        }
        let mut arm = image(1, 1);
        std::sync::Arc::make_mut(&mut arm.attributes).insert("architecture", "arm64".into());
        let said = problem(&arm, "t3.nano").expect("a problem");
        assert_eq!(said.reason, reason::INSTANCE_TYPE_MISMATCH);
        assert!(
            said.message.contains("arm64") && said.message.contains("instanceType"),
            "{said:?}"
        );
        assert_eq!(problem(&arm, "t4g.nano"), None);
    }
}
