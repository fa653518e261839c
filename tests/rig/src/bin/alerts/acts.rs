//! How each cause begins and ends, in AWS and in the cluster.

use anyhow::{Context as _, Result};
use ec2sim::{Act, ConsumerChange, Edit, Failure, FaultRule, OwnerAct, Sim};
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use rig::{Component, Way, poll_until};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::causes::Cause;
use crate::stage::{PATIENCE, Stage, account};
use crate::world::{self, BLOCK, GRANT, GROUPS, HOME, KEY, MEMBERS, POLICY, REGION, ROLE, ROOT, TAKEN, UNIT};

/// How long AWS takes to answer where it is slow, in seconds: shorter than replicas wait for it.
const SLOW: f64 = 240.0;

impl Stage {
    /// Lets it go wrong.
    pub(crate) async fn begin(&mut self, cause: Cause) -> Result<()> {
        self.times.push((cause, Instant::now(), None));
        match cause {
            Cause::CopyHangs => self.begin_a_copy_that_hangs().await?,
            Cause::RoleNotTrusted => {
                self.edit(trust(cause, &[]))?;
                self.edit(Edit::ExpireSessions {})?;
            }
            Cause::PermissionMissing => {
                self.edit(self.allow(cause, "ec2:CopyImage"))?;
                self.add_image(cause, json!({"name": "new", "devices": [{"gib": 1}]}))?;
            }
            Cause::KeyDisabled => self.edit(key_state(cause, "Disabled"))?,
            Cause::ImageNotCopyable => {
                self.throw(cause, "CopyImage", Act::FailBefore(not_copyable()));
                self.add_image(
                    cause,
                    json!({"name": "appliance", "productCodes": ["abc"], "devices": [{"gib": 1}]}),
                )?;
            }
            Cause::CopiesFail => {
                self.edit(self.allow(cause, GRANT))?;
                self.add_image(cause, json!({"name": "build-{n}", "count": 6, "devices": [{"gib": 1}]}))?;
            }
            Cause::ManyTerabytes => self.add_image(cause, json!({"name": "data", "devices": [{"gib": 6144}]}))?,
            Cause::ConsumersDenied => self.edit(self.allow(cause, GROUPS))?,
            Cause::ImageShared => self.share(cause, &["all"], &[])?,
            Cause::CopyDisabled => self.disable_launched_copy(cause).await?,
            Cause::CheckFails => {
                self.throw(cause, "*", Act::FailBefore(Failure::default()));
                self.add_image(cause, json!({"name": "new", "devices": [{"gib": 1}]}))?;
            }
            Cause::ProofLeft => {
                self.edit(self.allow(cause, "ec2:TerminateInstances"))?;
                self.prove_copies(true).await?;
                self.add_image(cause, json!({"name": "new", "devices": [{"gib": 1}]}))?;
            }
            Cause::ReadsSlow => self.throw(cause, "Describe*", Act::DelayReply(SLOW)),
            Cause::GuardrailTurnedOff => self.turn_off_guardrail(cause)?,
            Cause::MapTaken => {
                self.plane.apply(&world::around_maps()).await?;
                self.keep_map_in(TAKEN).await?;
            }
            Cause::AccountsDenied => self.take_accounts_from(&json!({"organization": {}})).await?,
            Cause::RegionsUnread => {
                self.throw(cause, "DescribeRegions", Act::FailBefore(Failure::default()));
                self.take_all_regions(&json!({"kmsKeyID": "alias/ami"})).await?;
            }
            Cause::QueueFails => self.throw(cause, "ReceiveMessage", Act::FailBefore(Failure::default())),
            Cause::LooksFail => {
                self.throw(cause, "DescribeImages", Act::FailBefore(Failure::default()));
                self.look_for_new_images(&json!({"lookEvery": "10s"})).await?;
            }
            Cause::UnitEmptied => {
                self.take_accounts_from(&world::of_unit()).await?;
                self.until_members_have_targets().await?;
                self.move_members(ROOT)?;
            }
            Cause::NobodyApproves => self.launch_what_nobody_approves(cause).await?,
            Cause::ImageUnreadable => {
                self.add_image(
                    cause,
                    json!({"name": "twice", "garbled": "mappedTwice", "devices": [{"gib": 1}]}),
                )?;
            }
            Cause::Throttled => self.throw(cause, "*", Act::Throttle),
            Cause::ReplicaHangs => self.replicas[1].pause()?,
            Cause::AwsGone => self.relay.set(Way::Closed),
            Cause::RightsLost => self.rename_statuses(|resource| resource.push_str("-that-was")).await?,
            Cause::ApiServerGone => self.plane.stop(Component::ApiServer).await?,
            Cause::Killed => {
                for replica in &mut self.replicas {
                    replica.kill9()?;
                }
            }
        }
        self.ask_for_scans(cause).await
    }

    /// Puts it right, as a person would who was paged.
    pub(crate) async fn end(&mut self, cause: Cause) -> Result<()> {
        match cause {
            Cause::CopyHangs => self.edit(Edit::FinishCopies {})?,
            Cause::RoleNotTrusted => self.edit(trust(cause, &[HOME]))?,
            Cause::PermissionMissing | Cause::ConsumersDenied | Cause::GuardrailTurnedOff => {
                self.edit(self.allow(cause, ""))?;
            }
            Cause::ImageShared => self.share(cause, &[], &["all"])?,
            Cause::CopyDisabled => self.act_on_copy(cause, OwnerAct::Enable)?,
            Cause::KeyDisabled => self.edit(key_state(cause, "Enabled"))?,
            Cause::ImageNotCopyable => self.deregister(cause, "appliance")?,
            Cause::CopiesFail => {
                self.edit(self.allow(cause, ""))?;
                self.ask_for_attempts(cause).await?;
            }
            Cause::ManyTerabytes => self.deregister(cause, "data")?,
            Cause::ProofLeft => {
                self.edit(self.allow(cause, ""))?;
                self.ask_for_attempts(cause).await?;
                self.prove_copies(false).await?;
            }
            Cause::MapTaken => self.keep_map_in("amiseal-images").await?,
            Cause::AccountsDenied => self.take_accounts_from(&Value::Null).await?,
            Cause::RegionsUnread => {
                self.take_all_regions(&Value::Null).await?;
                self.sim().remove_faults(&format!("{cause:?}"));
            }
            Cause::LooksFail => {
                self.sim().remove_faults(&format!("{cause:?}"));
                self.look_for_new_images(&Value::Null).await?;
            }
            Cause::UnitEmptied => {
                self.move_members(UNIT)?;
                self.take_accounts_from(&Value::Null).await?;
            }
            Cause::NobodyApproves => {
                self.approve(cause).await?;
                self.ask_for_approval(&Value::Null).await?;
            }
            Cause::ImageUnreadable => self.deregister(cause, "twice")?,
            Cause::CheckFails | Cause::ReadsSlow | Cause::QueueFails | Cause::Throttled => {
                self.sim().remove_faults(&format!("{cause:?}"));
            }
            Cause::ReplicaHangs => self.replicas[1].resume()?,
            Cause::AwsGone => self.relay.set(Way::Open),
            Cause::RightsLost => {
                self.rename_statuses(|resource| {
                    if let Some(status) = resource.strip_suffix("-that-was") {
                        *resource = status.to_owned();
                    }
                })
                .await?;
            }
            Cause::ApiServerGone => self.plane.start_again(Component::ApiServer).await?,
            Cause::Killed => self.start_replicas().await?,
        }
        let ended = self.times.iter_mut().find(|(one, ..)| *one == cause);
        if let Some((.., ended)) = ended {
            *ended = Some(Instant::now());
        }
        self.ask_for_scans(cause).await
    }

    fn sim(&self) -> &Sim {
        self.aws.sim()
    }

    /// Has the role do everything that is needed, but for one action.
    fn allow(&self, cause: Cause, without: &str) -> Edit {
        let account = account(cause);
        let statements = self.rights.get(&account).map(Vec::as_slice).unwrap_or_default();
        Edit::SetRoleStatements {
            statements: rig::without(statements, without),
            account,
            role: ROLE.to_owned(),
        }
    }

    fn edit(&self, edit: Edit) -> Result<()> {
        self.sim().edit(edit)?;
        Ok(())
    }

    /// Has these calls struck, in the account of the cause or in all; of a check only what is but asked, of looks only these.
    fn throw(&self, cause: Cause, operation: &str, act: Act) {
        let only = match cause {
            Cause::CheckFails => Some(("DryRun", "true")),
            Cause::LooksFail => Some(("Filter.1.Name", "creation-date")),
            _ => None,
        };
        self.sim().add_fault(FaultRule {
            dry_run: true,
            parameters: only
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            name: Some(format!("{cause:?}")),
            service: Some(if cause == Cause::QueueFails { "sqs" } else { "ec2" }.to_owned()),
            account: cause.account().map(str::to_owned),
            operation: Some(operation.to_owned()),
            act,
            ..FaultRule::default()
        });
    }

    fn add_image(&self, cause: Cause, image: Value) -> Result<()> {
        let image = serde_json::from_value(image).context("the image is none")?;
        self.edit(Edit::AddImage {
            account: account(cause),
            region: REGION.to_owned(),
            image: Box::new(image),
        })
    }

    fn deregister(&self, cause: Cause, name: &str) -> Result<()> {
        let image = self.image(cause, |image| image.name == name);
        let image = image.with_context(|| format!("there is no image {name}"))?;
        self.edit(Edit::Deregister { image })
    }

    /// Once the account's launch template was moved to the copy.
    async fn disable_launched_copy(&self, cause: Cause) -> Result<()> {
        let is_moved = async || {
            Ok(self.sim().with_world(|world| {
                let region = world.region(&account(cause), REGION)?;
                let (_, template) = region.consumers.launch_templates.iter().next()?;
                (template.default_number() > 1).then_some(())
            }))
        };
        poll_until("the launch template to be moved", PATIENCE, is_moved).await?;
        self.act_on_copy(cause, OwnerAct::Disable)
    }

    fn act_on_copy(&self, cause: Cause, act: OwnerAct) -> Result<()> {
        let image = self.image(cause, |image| image.created_by.is_some());
        self.edit(Edit::Owner {
            image: image.context("there is no copy")?,
            act,
        })
    }

    /// Images can be shared with everybody again, and the role may not change that.
    fn turn_off_guardrail(&self, cause: Cause) -> Result<()> {
        self.edit(self.allow(cause, BLOCK))?;
        self.edit(Edit::SetGuardrails {
            account: account(cause),
            region: REGION.to_owned(),
            guardrails: Box::default(),
        })
    }

    fn share(&self, cause: Cause, add: &[&str], remove: &[&str]) -> Result<()> {
        let image = self.image(cause, |image| image.created_by.is_none());
        let all = |who: &[&str]| who.iter().map(|one| (*one).to_owned()).collect();
        self.edit(Edit::Share {
            image: image.context("there is no original")?,
            add: all(add),
            remove: all(remove),
        })
    }

    fn image(&self, cause: Cause, which: impl Fn(&ec2sim::model::Image) -> bool) -> Option<String> {
        self.sim().with_world(|world| {
            let region = world.region(&account(cause), REGION)?;
            let image = region.images.values().find(|image| image.exists() && which(image))?;
            Some(image.id.clone())
        })
    }

    fn pending_copy(&self, cause: Cause) -> Option<String> {
        self.image(cause, |image| {
            image.created_by.is_some() && image.state == ec2sim::model::ImageState::Pending
        })
    }

    /// Returns once AWS has begun it: others are as quick as before.
    async fn begin_a_copy_that_hangs(&mut self) -> Result<()> {
        let cause = Cause::CopyHangs;
        self.sim()
            .change_settings(|settings| settings.copies.base_seconds = 86_400.0);
        self.add_image(cause, json!({"name": "new", "devices": [{"gib": 1}]}))?;
        self.ask_for_scans(cause).await?;
        poll_until("a copy to be begun", PATIENCE, async || Ok(self.pending_copy(cause))).await?;
        self.sim()
            .change_settings(|settings| settings.copies.base_seconds = 2.0);
        Ok(())
    }

    /// Asks for a scan of everything, unless nobody could hear that.
    async fn ask_for_scans(&mut self, cause: Cause) -> Result<()> {
        if cause == Cause::ApiServerGone {
            return Ok(());
        }
        self.asked += 1;
        let patch = json!({"metadata": {"annotations": {"amiseal.dev/scan": self.asked.to_string()}}});
        let policies = self.objects("AMIEncryptionPolicy").await?;
        policies
            .patch(POLICY, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        Ok(())
    }

    /// Moves the accounts of the unit there, or out of it.
    fn move_members(&self, parent: &str) -> Result<()> {
        MEMBERS.into_iter().try_for_each(|account| {
            self.edit(Edit::MoveAccount {
                account: account.to_owned(),
                parent: parent.to_owned(),
            })
        })
    }

    /// A new image that a launch template names, which nobody may move by itself.
    async fn launch_what_nobody_approves(&self, cause: Cause) -> Result<()> {
        self.ask_for_approval(&json!("Manual")).await?;
        self.add_image(cause, json!({"name": "new", "devices": [{"gib": 1}]}))?;
        let image = self.image(cause, |image| image.name == "new");
        let image = image.context("there is no new image")?;
        let template = json!({"name": "new", "id": "lt-0a1b2c3d4e5f60718", "versions": [{"image": image}]});
        let change: ConsumerChange = serde_json::from_value(json!({"put": {"launchTemplate": template}}))
            .context("the launch template is none")?;
        self.edit(Edit::Consumer {
            account: account(cause),
            region: REGION.to_owned(),
            change,
        })
    }

    /// Changes the names of all statuses in the controller's rights: a rule may name what is not there.
    async fn rename_statuses(&self, rename: impl Fn(&mut String)) -> Result<()> {
        let roles: Api<ClusterRole> = Api::all(self.plane.admin_client().await?);
        let mut role = roles.get("amiseal").await?;
        let resources = role
            .rules
            .iter_mut()
            .flatten()
            .flat_map(|rule| rule.resources.iter_mut().flatten());
        resources
            .filter(|resource| resource.contains("/status"))
            .for_each(rename);
        roles.replace("amiseal", &PostParams::default(), &role).await?;
        Ok(())
    }
}

fn trust(cause: Cause, trust: &[&str]) -> Edit {
    Edit::SetRoleTrust {
        account: account(cause),
        role: ROLE.to_owned(),
        trust: trust.iter().map(|id| (*id).to_owned()).collect(),
    }
}

fn key_state(cause: Cause, state: &str) -> Edit {
    Edit::SetKeyState {
        account: account(cause),
        region: REGION.to_owned(),
        key: KEY.to_owned(),
        state: state.to_owned(),
    }
}

/// What AWS says to whoever copies an image with a product code that forbids it.
fn not_copyable() -> Failure {
    Failure {
        code: "InvalidRequest".to_owned(),
        status: 400,
        message: "Images with EC2 BillingProduct codes cannot be copied".to_owned(),
    }
}
