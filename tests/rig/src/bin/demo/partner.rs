//! The account that launches another's image. Nothing is moved there before somebody says that its roles may use the copy's key.

use anyhow::Result;
use rig::{Objects, Screen};

use crate::kubectl::amiseal;
use crate::stage::Stage;

/// Its account and region.
const PLACE: (&str, &str) = ("222222222222", "us-east-1");

/// Whoever decides there.
#[derive(Default)]
pub(crate) struct Partner {
    has_approved: bool,
}

impl Partner {
    /// Approves the migration that follows the owner's, once that waits for it.
    pub(crate) async fn decide(&mut self, screen: &Screen, stage: &Stage, objects: &Objects) -> Result<()> {
        let waits = objects.migrations.iter().find(|migration| {
            let place = (migration.text("/spec/accountID"), migration.text("/spec/region"));
            let follows = !migration.text("/spec/ownerAccountID").is_empty();
            place == PLACE && follows && migration.reason("Stalled") == "KeyNotUsable"
        });
        let Some(waits) = waits.filter(|_| !self.has_approved) else {
            return Ok(());
        };
        let name = waits.text("/metadata/name");
        screen.step(&format!("kubectl amiseal approve {name} --yes"));
        let said = amiseal(&stage.control_plane, &["approve", name, "--yes"]).await?;
        screen.block(said.trim_end());
        self.has_approved = true;
        Ok(())
    }
}
