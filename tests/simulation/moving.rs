//! Where the policies have moved what launches originals: which histories those are, and in which ways they differ.

use std::time::Duration;

use amiseal::api::{AMIMigration, ConsumerState, Desired, MigrationState, MovedConsumer};
use ec2sim::model::Region;
use ec2sim::spec::{AllowedCall, InheritedSnapshots, Omitted};
use ec2sim::{Edit, Sim, WorldSpec};
use kube::ResourceExt;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::stage::Stage;
use super::watchman::Objects;
use super::world::{ONE, PLACES, POLICIES, THIRD, TWO};
use super::{followers, odd, people, regressions, returning};

/// Of the worlds that are kept for what they have shown, by how many each odd account has had, those of this remainder have what launches
/// originals moved.
const MOVING_BEFORE: (u64, u64) = (8, 7);
/// So many of the others do.
const MOVING: f64 = 0.6;
/// How long somebody waits until they approve what waits for it, and until they have what is in the way put right.
const APPROVES_AFTER: Duration = Duration::from_secs(25 * 60);
const HELPS_AFTER: Duration = Duration::from_secs(55 * 60);

/// Whether the policies of this seed have consumers moved.
pub(crate) fn is_moving(seed: u64) -> bool {
    if regressions::is_kept(seed) {
        let (of, moving) = MOVING_BEFORE;
        return seed.saturating_sub(1) / odd::FIRST as u64 % of == moving;
    }
    rng(seed).random_bool(MOVING)
}

/// Whether what launches images there is of newer kinds, and people have a hand in it.
pub(crate) fn is_newer(seed: u64) -> bool {
    !regressions::is_kept(seed) && is_moving(seed)
}

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed ^ 0x30fe)
}

/// In which ways histories differ whose consumers are moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ways {
    /// The policies have somebody approve what is moved.
    manual: bool,
    /// The policies have one consumer moved a day, until somebody has that changed.
    pub(crate) one_a_day: bool,
    /// The key may not be used by the services that launch, until somebody has that changed.
    narrow: bool,
    /// How late AWS shows changes of consumers, in seconds.
    late: u32,
    /// Whether AWS keeps what a change does not mention.
    keeps: bool,
}

impl Ways {
    /// Those of this seed.
    pub(crate) fn of(seed: u64) -> Self {
        if !is_newer(seed) {
            return Self::default();
        }
        let mut rng = rng(seed);
        // That it is moving.
        rng.random_bool(MOVING);
        Self {
            manual: rng.random_bool(0.2),
            one_a_day: rng.random_bool(0.15),
            narrow: rng.random_bool(0.15),
            late: [0, 0, 5, 45][rng.random_range(0..4)],
            keeps: rng.random_bool(0.5),
        }
    }
}

/// Has the policies move launch templates and parameters.
pub(crate) fn join(seed: u64, world: &mut WorldSpec, policies: &mut [Value]) {
    if !is_moving(seed) {
        return;
    }
    let ways = Ways::of(seed);
    for policy in policies {
        // Beside what the odd account's policy has there.
        for kind in ["launchTemplates", "ssmParameters"] {
            policy["spec"]["promotion"][kind] = json!("Update");
        }
        if ways.manual {
            policy["spec"]["promotion"]["approval"] = json!("Manual");
        }
        if ways.one_a_day {
            policy["spec"]["promotion"]["maxPerDay"] = json!(1);
        }
        if is_newer(seed) {
            policy["spec"]["consumers"]["ownedBy"] = json!({"terraform": "*"});
        }
    }
    let settings = &mut world.settings;
    settings.consistency.consumer_seconds = f64::from(ways.late);
    if ways.keeps {
        settings.launches.omitted_on_overwrite = Omitted::Kept;
        settings.launches.inherited_snapshots = InheritedSnapshots::Kept;
    }
    for operation in ["ModifyLaunchTemplate", "PutParameter", "LabelParameterVersion"] {
        world.expect.allow.push(AllowedCall {
            operation: Some(operation.to_owned()),
            ..AllowedCall::default()
        });
    }
    for account in &mut world.accounts {
        let policy = key_policy(&account.id, ways.narrow);
        for key in account.regions.iter_mut().flat_map(|region| &mut region.keys) {
            key.policy = Some(policy.clone());
        }
    }
}

/// The policy of a key that everybody may use, also the services that launch in these accounts; a narrow one is for the account itself.
fn key_policy(account: &str, is_narrow: bool) -> Value {
    if is_narrow {
        let root = format!("arn:aws:iam::{account}:root");
        return json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:*", "Resource": "*"}]});
    }
    let services = [
        "autoscaling/AutoScaling",
        "ec2fleet/EC2Fleet",
        "spot/EC2Spot",
        "spotfleet/EC2SpotFleet",
    ];
    let roles = services.iter().flat_map(|service| {
        let (service, role) = service.split_once('/').unwrap_or_default();
        let path = format!("role/aws-service-role/{service}.amazonaws.com/AWSServiceRoleFor{role}");
        [ONE, TWO].map(|account| format!("arn:aws:iam::{account}:{path}"))
    });
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*"},
        {"Effect": "Allow", "Principal": {"AWS": roles.collect::<Vec<_>>()}, "Action": "kms:*", "Resource": "*"}]})
}

/// What people do in time where it is for them that consumers are not moved.
pub(crate) fn help(stage: &Stage, ways: Ways) {
    let now = stage.clock.age();
    returning::help(stage);
    // What was put back waits for that too, where its migration was deleted and made anew.
    if now > (if ways.manual { APPROVES_AFTER } else { HELPS_AFTER }) {
        people::approve(stage);
    }
    if now < HELPS_AFTER {
        return;
    }
    if ways.one_a_day {
        // Also where one that was deleted and applied again is the younger one of its account.
        people::allow_more(stage, POLICIES.map(|(name, ..)| name).into_iter().chain([THIRD]));
    }
    if ways.narrow && !stage.notes().widened {
        stage.note(|notes| notes.widened = true);
        for (account, region) in PLACES {
            stage.edit(Edit::SetKeyPolicy {
                account: account.to_owned(),
                region: region.to_owned(),
                key: "alias/ami".to_owned(),
                policy: Some(key_policy(account, false)),
                grants: None,
            });
        }
    }
}

/// What is not moved at the end, though its original has a copy and nothing is in the way.
pub(crate) fn unmoved(sim: &Sim, objects: &Objects) -> Option<String> {
    objects.migrations.iter().find_map(|migration| {
        let spec = &migration.spec;
        let moves = objects.targets.iter().any(|target| {
            let of = &target.spec;
            let is_of = (&of.policy, &of.account_id, &of.region) == (&spec.policy, &spec.account_id, &spec.region);
            is_of && of.consumers.read && !of.suspend && of.promotion != amiseal::api::PromotionSettings::default()
        });
        let is_done = migration
            .status
            .as_ref()
            .is_some_and(|status| status.state == Some(MigrationState::Completed) && status.source_gone_time.is_none());
        let is_due = moves && is_done && followers::is_offered(migration, objects);
        if !is_due || followers::desired(migration, objects) != Desired::Migrated {
            return None;
        }
        let left = sim.with_world(|world| {
            let region = world.region(&spec.account_id, &spec.region)?;
            still_launching(region, &spec.source_image_id, Some(migration))
        })?;
        let name = migration.name_any();
        Some(format!("{left} is not moved by {name}: {:?}", migration.status))
    })
}

/// A template or a parameter that names an original, of which the migration does not say why it is left so.
pub(crate) fn still_launching(region: &Region, source: &str, migration: Option<&AMIMigration>) -> Option<String> {
    let is_left = |id: &str| migration.is_some_and(|migration| is_left(migration, id));
    let mut templates = region.consumers.launch_templates.iter().map(|(_, template)| template);
    let left = templates.find(|template| {
        let names = template
            .version(Some("$Latest"))
            .and_then(|version| version.image.as_deref());
        names == Some(source) && !is_left(&template.id)
    });
    let mut parameters = region.consumers.parameters.iter().map(|(_, parameter)| parameter);
    let of_images = parameters.find(|parameter| {
        let holds = parameter.latest().is_some_and(|version| version.value == source);
        holds && parameter.data_type == "aws:ec2:image" && !is_left(&parameter.name)
    });
    let left = left.map(|template| &template.name);
    left.or(of_images.map(|parameter| &parameter.name)).cloned()
}

/// Whether a migration says that it leaves a consumer as it is, also one that it has put back before.
pub(crate) fn is_left(migration: &AMIMigration, id: &str) -> bool {
    let mut rows = migration.status.iter().flat_map(|status| &status.consumers);
    let is_so = |row: &MovedConsumer| match row.state {
        ConsumerState::PutBack => row.reason.is_some(),
        state => state == ConsumerState::Left,
    };
    rows.any(|row| row.id == id && is_so(row))
}
