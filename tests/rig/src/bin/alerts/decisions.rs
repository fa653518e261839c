//! What people decide in the cluster: what the policy says, and what becomes of migrations.

use anyhow::Result;
use kube::api::{ListParams, Patch, PatchParams};
use rig::poll_until;
use serde_json::{Value, json};

use crate::causes::Cause;
use crate::stage::{PATIENCE, Stage, account};
use crate::world::{self, MEMBERS, POLICY};

impl Stage {
    /// Has the policy prove copies, or prove none.
    pub(crate) async fn prove_copies(&self, proves: bool) -> Result<()> {
        let launch = proves.then(world::launch);
        self.change_policy(&json!({"validation": {"launch": launch}})).await
    }

    /// Has the policy keep its map in this ConfigMap.
    pub(crate) async fn keep_map_in(&self, config_map: &str) -> Result<()> {
        self.change_policy(&json!({"promotion": {"map": {"configMap": config_map}}}))
            .await
    }

    /// Has the policy take accounts from AWS Organizations, or no longer.
    pub(crate) async fn take_accounts_from(&self, source: &Value) -> Result<()> {
        self.change_policy(&json!({"accountsFrom": source})).await
    }

    /// Has the policy take all regions of its accounts, or no longer.
    pub(crate) async fn take_all_regions(&self, regions: &Value) -> Result<()> {
        self.change_policy(&json!({"defaults": {"allRegions": regions}})).await
    }

    /// Returns once the accounts of the unit have their targets.
    pub(crate) async fn until_members_have_targets(&self) -> Result<()> {
        poll_until("the accounts of the unit to have targets", PATIENCE, async || {
            let targets = self.objects("AMIEncryptionTarget").await?;
            let targets = targets.list(&ListParams::default()).await?;
            let is_member = |account: &Value| account.as_str().is_some_and(|account| MEMBERS.contains(&account));
            let members = targets.iter().filter(|one| is_member(&one.data["spec"]["accountID"]));
            Ok((members.count() == MEMBERS.len()).then_some(()))
        })
        .await
    }

    /// Has the policy look for new images, or no longer.
    pub(crate) async fn look_for_new_images(&self, settings: &Value) -> Result<()> {
        self.change_policy(&json!({"newImages": settings})).await
    }

    /// Has the policy have somebody approve what is moved, or nobody.
    pub(crate) async fn ask_for_approval(&self, approval: &Value) -> Result<()> {
        self.change_policy(&json!({"promotion": {"approval": approval}})).await
    }

    /// Changes fields of the policy's spec; null takes one away.
    async fn change_policy(&self, spec: &Value) -> Result<()> {
        let patch = json!({"spec": spec});
        let policies = self.objects("AMIEncryptionPolicy").await?;
        policies
            .patch(POLICY, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        Ok(())
    }

    /// Asks for another attempt at each migration of an account.
    pub(crate) async fn ask_for_attempts(&self, cause: Cause) -> Result<()> {
        self.change_migrations(cause, &json!({"metadata": {"annotations": {"amiseal.dev/retry": "1"}}}))
            .await
    }

    /// Approves each migration of an account.
    pub(crate) async fn approve(&self, cause: Cause) -> Result<()> {
        // As `kubectl amiseal approve` does: the chart's policy asks for the name of whoever approves.
        self.change_migrations(cause, &json!({"spec": {"approval": "Approved", "approvedBy": "admin"}}))
            .await
    }

    async fn change_migrations(&self, cause: Cause, patch: &Value) -> Result<()> {
        let migrations = self.objects("AMIMigration").await?;
        for migration in migrations.list(&ListParams::default()).await? {
            if migration.data["spec"]["accountID"] == account(cause).as_str()
                && let Some(name) = &migration.metadata.name
            {
                migrations
                    .patch(name, &PatchParams::default(), &Patch::Merge(patch))
                    .await?;
            }
        }
        Ok(())
    }
}
