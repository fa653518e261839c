//! The shell of somebody who follows a document: kubectl, helm and amiseal on its path, credentials in profiles.

use std::fmt::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rig::ControlPlane;
use rig::tools::Tool;
use tempfile::TempDir;

use crate::shown::is_as_shown;

/// How long one command may take. Those of the documents that wait for hours need seconds here.
const COMMAND: Duration = Duration::from_secs(120);
/// How long a command that only looks is repeated until it shows what it should. The garbage collector of the control
/// plane takes up to half a minute to see kinds that were defined after its start.
const LOOKING: Duration = Duration::from_secs(60);
/// What only looks.
const LOOKS: [&str; 6] = [
    "kubectl get ",
    "kubectl describe ",
    "kubectl events ",
    "kubectl amiseal status",
    "amiseal plan ",
    "amiseal guardrails ",
];

pub(crate) struct Shell {
    home: TempDir,
    environment: Vec<(&'static str, String)>,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    /// Its output and its errors, as they came.
    pub(crate) printed: String,
}

impl Shell {
    /// A shell in an empty directory that has nothing of the project but its chart and the demo. `profiles` are those of AWS, by name,
    /// with their access keys.
    pub(crate) fn new(control_plane: &ControlPlane, endpoint: &str, profiles: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let bin = home.path().join("bin");
        std::fs::create_dir(&bin).expect("a directory");
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let links: [(PathBuf, PathBuf); 5] = [
            (Tool::Kubectl.path().expect("kubectl"), bin.join("kubectl")),
            (Tool::Helm.path().expect("helm"), bin.join("helm")),
            (env!("CARGO_BIN_EXE_amiseal").into(), bin.join("amiseal")),
            (root.join("charts"), home.path().join("charts")),
            (root.join("demo"), home.path().join("demo")),
        ];
        for (original, link) in links {
            symlink(original, link).expect("a link");
        }
        let mut credentials = String::new();
        for (profile, access_key) in profiles {
            let _ = writeln!(
                credentials,
                "[{profile}]\naws_access_key_id = {access_key}\naws_secret_access_key = secret"
            );
        }
        std::fs::create_dir(home.path().join(".aws")).expect("a directory");
        std::fs::write(home.path().join(".aws/credentials"), credentials).expect("a file");
        let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        let environment = vec![
            ("PATH", format!("{}:/usr/bin:/bin", text(&bin))),
            ("HOME", text(home.path())),
            ("KUBECONFIG", text(control_plane.admin_kubeconfig())),
            ("AWS_ENDPOINT_URL", endpoint.to_owned()),
            ("AWS_REGION", "eu-west-1".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ];
        Self { home, environment }
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.home.path().join(name), text).expect("a file");
    }

    /// Runs a command as it stands.
    pub(crate) async fn run(&self, command: &str) -> Ran {
        // Errors go where the output goes, as on a terminal.
        let both = format!("exec 2>&1\n{command}");
        let mut shell = tokio::process::Command::new("/bin/sh");
        shell
            .args(["-c", &both])
            .current_dir(self.home.path())
            .env_clear()
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = tokio::time::timeout(COMMAND, shell.output())
            .await
            .unwrap_or_else(|_| panic!("$ {command}\nhas not ended after {COMMAND:?}"))
            .expect("a shell");
        Ran {
            code: output.status.code(),
            printed: String::from_utf8(output.stdout).expect("UTF-8"),
        }
    }

    /// Runs a command, which has to succeed, and says how what it prints differs from what a document shows.
    pub(crate) async fn run_as_shown(&self, command: &str, shown: &[String]) -> Result<(), String> {
        let deadline = Instant::now() + LOOKING;
        let looks = LOOKS.iter().any(|look| command.starts_with(look));
        loop {
            let Ran { code, printed } = self.run(command).await;
            if code == Some(0) && (shown.is_empty() || is_as_shown(&printed, shown)) {
                return Ok(());
            }
            if !looks || Instant::now() >= deadline {
                // What comes after a command that failed makes no sense, and may wait for long.
                assert_eq!(code, Some(0), "$ {command}\n{printed}");
                return Err(format!("$ {command}\n{printed}"));
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}
