//! The guide, followed from its first line to its last.

use ec2sim::{Edit, WorldSpec};
use rig::{ControlPlane, Options};

use crate::document::{self, What};
use crate::rights::Rights;
use crate::shell::Shell;
use crate::stage::{Kubelet, aws};

const GUIDE: &str = include_str!("../../docs/guide.md");
const WORLD: &str = include_str!("world.yaml");
/// Whom the world knows by these access keys.
const CONTROLLER: &str = "AKIACONTROLLER";
const ENGINEER: &str = "AKIAENGINEER";
const AUDITOR: &str = "AKIAAUDITOR";

#[tokio::test]
async fn every_command_of_the_guide_runs_and_prints_what_the_guide_shows() {
    let steps = document::read(GUIDE);
    let rights = Rights::read(&steps);
    rights.assert_launching_is_allowed();
    let mut world = WorldSpec::parse(WORLD).expect("a world");
    rights.give(&mut world);

    let control_plane = ControlPlane::start(Options::default()).await.expect("a control plane");
    let server = aws(&world);
    let endpoint = server.endpoint();
    let shell = Shell::new(&control_plane, &endpoint, &[("default", ENGINEER), ("web", AUDITOR)]);
    let mut kubelet = Kubelet::default();
    let mut wrong = Vec::new();
    for step in &steps {
        let line = step.line;
        match &step.what {
            What::File { name, text } => shell.write(name, text),
            What::Aws(edit) => {
                let edit: Edit = serde_json::from_str(edit).unwrap_or_else(|error| panic!("line {line}: {error}"));
                server.sim().edit(edit).expect("there is such a thing");
            }
            What::Command { command, shown } => {
                // The last one is seen when it fails.
                println!("docs/guide.md, line {line}: $ {command}");
                if let Err(difference) = shell.run_as_shown(command, shown).await {
                    wrong.push(format!("docs/guide.md, line {line}:\n{difference}"));
                }
                kubelet.look(&control_plane, &endpoint, CONTROLLER).await;
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "These printed something else:\n\n{}",
        wrong.join("\n")
    );

    let report = server.sim().audit();
    assert!(report.ok, "{report}");
    let journal = server.sim().journal();
    rights.assert_all_are_used(&journal, &world);
    rights.assert_looking_is_enough_for_audit(&journal);
}

#[test]
fn the_readme_names_the_rights_of_the_role_as_the_guide_does() {
    let readme = include_str!("../../README.md");
    let actions = Rights::read(&document::read(GUIDE)).role_actions();
    for action in actions
        .iter()
        .filter(|action| !action.starts_with("kms:") || action.ends_with("DescribeKey"))
    {
        assert!(
            readme.contains(&format!("`{action}`")),
            "README.md does not name {action}"
        );
    }
}
