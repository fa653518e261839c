//! What launches the originals is moved to their copies. One consumer is set back by its owner, and one image's are put back.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use ec2sim::Sim;
use ec2sim::model::World;
use rig::{Object, Objects, Screen, aligned, unsettled};

use crate::kubectl::{amiseal, kubectl};
use crate::partner::Partner;
use crate::set_back::Owner;
use crate::stage::{Stage, read_demo_file};
use crate::staging::Staging;

pub(crate) const POLICY: &str = "production";
/// What the policy says from then on.
pub(crate) const PROMOTION: &str =
    r#"{"spec":{"promotion":{"launchTemplates":"Update","ssmParameters":"Update","autoScalingGroups":"Update"}}}"#;
/// The image whose consumers are put back.
const ROLLED_BACK: (&str, &str, &str) = ("111111111111", "us-east-1", "web-2025-6");
const POLL: Duration = Duration::from_secs(1);

/// By account, region and the original's name: each consumer, and what became of it.
type Moved = BTreeMap<String, BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>>>;

/// What each consumer in a region launches.
type Launched = BTreeMap<String, Option<String>>;

/// Has everything moved, one parameter set back by its owner and one image rolled back; says whether all came as it should.
pub(crate) async fn play(screen: &Screen, stage: &mut Stage, staging: &mut Staging, limit: Duration) -> Result<bool> {
    let (account, region, name) = ROLLED_BACK;
    let before = launched(stage.aws.sim(), account, region);
    let mut owner = Owner::of(stage.aws.sim())?;
    let patch = ["patch", "aep", POLICY, "--type", "merge", "--patch", PROMOTION];
    screen.step(&format!(
        "kubectl patch aep {POLICY} --type merge --patch '{PROMOTION}'"
    ));
    kubectl(&stage.control_plane, &patch).await?;
    let (objects, is_moved) = until_moved(screen, stage, staging, &mut owner, limit).await?;
    let is_back = roll_back(screen, stage, staging, &objects, limit).await?;
    let after = launched(stage.aws.sim(), account, region);
    let is_same = is_back && before == after;
    screen.verdict(
        is_same,
        &if is_same {
            format!(
                "OK: all {} things in {region} that can launch, launch what they did before {name} was moved",
                after.len()
            )
        } else {
            format!("NOT OK: {before:?} was launched before, and {after:?} is")
        },
    );
    let heeded = owner.judged().await;
    screen.verdict(
        heeded.is_ok(),
        &match &heeded {
            Ok(()) => "OK: what its owner has set back was set once by amiseal, and never again".to_owned(),
            Err(error) => format!("NOT OK: {error}"),
        },
    );
    Ok(is_moved && is_same && heeded.is_ok())
}

/// Waits until every consumer is what the file expects; gives all objects, and says whether that has come about.
async fn until_moved(
    screen: &Screen,
    stage: &mut Stage,
    staging: &mut Staging,
    owner: &mut Owner,
    limit: Duration,
) -> Result<(Objects, bool)> {
    let expected: Moved =
        serde_saphyr::from_str(&read_demo_file("moved.yaml")?).context("demo/moved.yaml is not as it should be")?;
    let (began, mut partner) = (screen.elapsed(), Partner::default());
    let (mut objects, mut given);
    loop {
        stage.check_controller()?;
        owner.tell(screen);
        objects = Objects::read(&stage.control_plane).await?;
        partner.decide(screen, stage, &objects).await?;
        staging.follow(screen, stage, &objects)?;
        given = moved(&objects, &stage.aws.sim().world());
        let left = unsettled(&objects);
        if given == expected && left.is_none() {
            break;
        }
        if screen.elapsed() >= began + limit {
            screen.step(&left.unwrap_or_else(|| "Not everything is moved as it should be".to_owned()));
            break;
        }
        tokio::time::sleep(POLL).await;
    }
    screen.heading("What launches the originals");
    screen.block(&aligned(
        ["ACCOUNT", "REGION", "ORIGINAL", "CONSUMER", "STATE OR REASON"],
        &rows(&given),
    ));
    let as_expected = given == expected;
    screen.verdict(
        as_expected,
        if as_expected {
            "OK: every consumer is moved, or left for the reason that demo/moved.yaml expects"
        } else {
            "NOT OK: demo/moved.yaml expects something else"
        },
    );
    let unencrypted = unencrypted(stage.aws.sim(), &given);
    screen.verdict(
        unencrypted.is_empty(),
        &match &unencrypted[..] {
            [] => "OK: everything that was moved can launch, encrypted".to_owned(),
            some => format!("NOT OK: {}", some.join(", ")),
        },
    );
    Ok((objects, as_expected && unencrypted.is_empty()))
}

/// Rolls one image back as a person would; says whether that came about.
async fn roll_back(
    screen: &Screen,
    stage: &Stage,
    staging: &mut Staging,
    objects: &Objects,
    limit: Duration,
) -> Result<bool> {
    let (account, region, name) = ROLLED_BACK;
    let world = stage.aws.sim().world();
    let is_it = |migration: &&Object| {
        let (of, is_of) = place(migration, &world);
        of == (account.to_owned(), region.to_owned()) && is_of == name
    };
    let migration = objects.migrations.iter().find(is_it);
    let Some(migration) = migration.map(|migration| migration.text("/metadata/name").to_owned()) else {
        bail!("{name} has no migration");
    };
    screen.step(&format!("kubectl amiseal rollback {migration} --yes"));
    screen.block(
        amiseal(&stage.control_plane, &["rollback", &migration, "--yes"])
            .await?
            .trim_end(),
    );
    let began = screen.elapsed();
    while screen.elapsed() < began + limit {
        let objects = Objects::read(&stage.control_plane).await?;
        staging.follow(screen, stage, &objects)?;
        let found = objects
            .migrations
            .iter()
            .find(|one| one.text("/metadata/name") == migration);
        if found.is_some_and(|found| found.reason("ConsumersMoved") == "RolledBack") {
            return Ok(true);
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(false)
}

/// The account and region of a migration, and its original's name.
fn place(migration: &Object, world: &World) -> ((String, String), String) {
    let (region, id) = (migration.text("/spec/region"), migration.text("/spec/sourceImageID"));
    let image = world.image(region, id);
    let name = image.map_or_else(|| id.to_owned(), |image| image.name.clone());
    ((migration.text("/spec/accountID").to_owned(), region.to_owned()), name)
}

/// What the migrations say of their consumers.
fn moved(objects: &Objects, world: &World) -> Moved {
    let mut moved = Moved::new();
    for migration in &objects.migrations {
        let ((account, region), image) = place(migration, world);
        for row in migration.list("/status/consumers") {
            let text = |field: &str| row[field].as_str().unwrap_or_default();
            let id = text("id");
            let template = world.region(&account, &region).and_then(|region| {
                let mut templates = region.consumers.launch_templates.iter();
                templates.find(|(_, template)| template.id == id)
            });
            let name = template.map_or_else(|| id.to_owned(), |(_, template)| template.name.clone());
            let says = row["reason"].as_str().unwrap_or_else(|| text("state"));
            let of_region = moved
                .entry(account.clone())
                .or_default()
                .entry(region.clone())
                .or_default();
            let of_image = of_region.entry(image.clone()).or_default();
            of_image.insert(format!("{} {name}", text("kind")), says.to_owned());
        }
    }
    moved
}

fn rows(moved: &Moved) -> Vec<[String; 5]> {
    let mut rows = Vec::new();
    for (account, regions) in moved {
        for (region, images) in regions {
            for (image, consumers) in images {
                for (consumer, says) in consumers {
                    rows.push([account, region, image, consumer, says].map(Clone::clone));
                }
            }
        }
    }
    rows
}

/// What was moved and does not launch, or not encrypted.
fn unencrypted(sim: &Sim, moved: &Moved) -> Vec<String> {
    let mut wrong = Vec::new();
    for (account, regions) in moved {
        for (region, images) in regions {
            let names: Vec<&str> = images
                .values()
                .flatten()
                .filter(|(_, says)| *says == "Moved")
                .filter_map(|(consumer, _)| consumer.split_once(' '))
                .map(|(_, name)| name)
                .collect();
            for launch in sim.launches(account, region) {
                if names.contains(&launch.id.as_str()) && !(launch.encrypted && launch.works.is_ok()) {
                    wrong.push(format!("{:?} {} launches {:?}", launch.kind, launch.id, launch.image));
                }
            }
        }
    }
    wrong
}

/// What everything in a region launches, whichever version of a template says so.
fn launched(sim: &Sim, account: &str, region: &str) -> Launched {
    let launches = sim.launches(account, region).into_iter();
    let by_name = launches.filter(|launch| !launch.id.starts_with("lt-"));
    by_name
        .map(|launch| (format!("{:?} {}", launch.kind, launch.id), launch.image))
        .collect()
}
