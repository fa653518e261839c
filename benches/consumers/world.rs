//! An account with many images, and with everything that launches them.

use anyhow::{Result, anyhow};
use ec2sim::{Sim, WorldSpec};

use crate::Args;

/// Who reads.
pub(crate) const ACCESS_KEY: &str = "AKIAREADER0000000001";
/// The region of everything.
pub(crate) const REGION: &str = "eu-west-1";
/// Of so many groups one pins a version of its template that is neither the default nor the latest.
const PINNED: u32 = 5;
/// Of so many images nobody uses one.
const UNUSED: u32 = 50;

/// How many groups pin such a version.
pub(crate) fn pinned(args: &Args) -> u32 {
    args.groups / PINNED
}

/// How many images nobody uses.
pub(crate) fn unused(args: &Args) -> u32 {
    args.images / UNUSED
}

/// The account. Instances launch every image but the last ones, groups pin the second of three versions of templates, and every
/// parameter holds an image.
pub(crate) fn aws(args: &Args) -> Result<Sim> {
    let (pinned, used) = (pinned(args), args.images - unused(args));
    let first = used.min(args.instances);
    let yaml = format!(
        r#"
clock: {{start: 2026-01-01T00:00:00Z}}
identities:
- {{accessKey: {ACCESS_KEY}, account: "111111111111"}}
accounts:
- id: "111111111111"
  regions:
  - name: {REGION}
    images:
    - {{name: "web-{{n}}", count: {images}, creationDate: 2025-01-01T00:00:00Z, lastLaunchedTime: 2025-03-01T00:00:00Z}}
    launchTemplates:
    - name: "template-{{n}}"
      count: {templates}
      versions: [{{image: "web-{{n}}"}}, {{image: web-1}}, {{image: "web-{{n}}"}}]
    autoScalingGroups:
    - {{name: "pins-{{n}}", count: {pinned}, launchTemplate: {{template: "template-{{n}}", version: "2"}}}}
    - {{name: "follows-{{n}}", count: {following}, launchTemplate: {{template: "template-{{n}}"}}}}
    instances:
    - {{image: "web-{{n}}", count: {first}}}
    - {{image: web-1, count: {rest}}}
    parameters:
    - {{name: "/images/web-{{n}}", count: {parameters}, dataType: "aws:ec2:image", image: "web-{{n}}"}}
"#,
        images = args.images,
        templates = args.templates,
        following = args.groups - pinned,
        rest = args.instances - first,
        parameters = args.parameters,
    );
    let world = WorldSpec::parse(&yaml).map_err(|error| anyhow!("the world cannot be read: {error}"))?;
    Sim::new(&world).map_err(|error| anyhow!("the world cannot be made: {error}"))
}
