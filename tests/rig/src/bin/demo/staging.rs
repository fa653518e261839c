//! The account with a policy of its own: guardrails are held there, and new images are found between two scans. Somebody turns a
//! guardrail off, and makes an image that is not encrypted.
//!
//! Both are done while the other accounts are at work. The guardrail is read with the next scan, a minute later.

use std::time::Duration;

use anyhow::{Context as _, Result};
use ec2sim::model::Guardrails;
use ec2sim::spec::ImageSpec;
use ec2sim::{Call, Edit, Sim, SimTime};
use jiff::{SignedDuration, Timestamp};
use rig::{Object, Objects, Screen};
use serde_json::Value;

use crate::kubectl::amiseal;
use crate::stage::{Stage, read_demo_file};

const POLICY: &str = "staging";
const ACCOUNT: &str = "666666666666";
const REGION: &str = "eu-west-1";
/// Where a declarative policy of the organization holds public access.
const HELD_REGION: &str = "us-east-1";
/// What somebody turns off.
const GUARDRAIL: &str = "ImageBlockPublicAccess";
const ENFORCED: &str = "GuardrailsEnforced";
const HELD: &str = "HeldByDeclarativePolicy";
/// The image is made when the last scan is younger than this, so that looks come before the next one.
const JUST_SCANNED: SignedDuration = SignedDuration::from_secs(12);
/// How long it may take until the new image has its copy.
const MIGRATED: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_secs(1);

/// What has come about there, by the time since the start.
#[derive(Default)]
pub(crate) struct Staging {
    turned_off: Option<Duration>,
    on_again: Option<Duration>,
    image: Option<NewImage>,
    is_held: bool,
}

struct NewImage {
    id: String,
    made: Duration,
    /// The last call of AWS before that.
    after: u64,
    found: Option<Duration>,
    copied: Option<Duration>,
}

impl Staging {
    /// Does what is to be done there by now, and says what has come about.
    pub(crate) fn follow(&mut self, screen: &Screen, stage: &Stage, objects: &Objects) -> Result<()> {
        let Some(target) = target(objects, REGION) else {
            return Ok(());
        };
        let sim = stage.aws.sim();
        if self.image.is_none() && has_just_scanned(target) {
            self.image = Some(make_image(screen, sim)?);
        }
        if self.turned_off.is_none() && target.says(ENFORCED, "True") && holds(target) {
            turn_off(sim)?;
            self.turned_off = Some(screen.elapsed());
            screen.step(&format!("Somebody turns {GUARDRAIL} off in {ACCOUNT} {REGION}"));
        }
        self.tell_of_guardrails(screen, target, objects);
        self.tell_of_image(screen, objects);
        Ok(())
    }

    fn tell_of_guardrails(&mut self, screen: &Screen, there: &Object, objects: &Objects) {
        let is_undone = row(there).is_some_and(|row| row["drifts"].as_u64().unwrap_or_default() > 0);
        if let (Some(off), None, true) = (self.turned_off, self.on_again, is_undone && holds(there)) {
            let now = screen.elapsed();
            self.on_again = Some(now);
            screen.step(&format!(
                "{GUARDRAIL} holds again in {ACCOUNT} {REGION}, {} s later: amiseal has set it",
                (now - off).as_secs()
            ));
        }
        let held = target(objects, HELD_REGION).filter(|held| held.reason(ENFORCED) == HELD);
        if let (Some(held), false) = (held, self.is_held) {
            self.is_held = true;
            screen.step(&format!("{ACCOUNT} {HELD_REGION} says {HELD}"));
            screen.block(held.message(ENFORCED));
        }
    }

    fn tell_of_image(&mut self, screen: &Screen, objects: &Objects) {
        let Some(image) = &mut self.image else { return };
        let is_it =
            |one: &&Object| one.text("/spec/sourceImageID") == image.id && one.text("/spec/ownerAccountID").is_empty();
        let Some(migration) = objects.migrations.iter().find(is_it) else {
            return;
        };
        let now = screen.elapsed();
        let since = |made: Duration| (now - made).as_secs();
        if image.found.is_none() {
            image.found = Some(now);
            screen.step(&format!(
                "{} is found {} s after it was made",
                image.id,
                since(image.made)
            ));
        }
        if image.copied.is_none() && migration.text("/status/state") == "Completed" {
            image.copied = Some(now);
            screen.step(&format!(
                "{} has its encrypted copy {} s after it was made",
                image.id,
                since(image.made)
            ));
        }
    }

    fn is_done(&self) -> bool {
        let is_copied = self.image.as_ref().is_some_and(|image| image.copied.is_some());
        self.on_again.is_some() && self.is_held && is_copied
    }

    /// Waits for what has not come about yet, and shows all of it; says whether all came as it should.
    pub(crate) async fn show(mut self, screen: &Screen, stage: &mut Stage, limit: Duration) -> Result<bool> {
        let began = screen.elapsed();
        if !self.is_done() {
            screen.step("Waiting for the next scan of staging");
        }
        while !self.is_done() && screen.elapsed() < began + limit {
            stage.check_controller()?;
            let objects = Objects::read(&stage.control_plane).await?;
            self.follow(screen, stage, &objects)?;
            tokio::time::sleep(POLL).await;
        }
        screen.heading(&format!("amiseal guardrails --policy {POLICY}"));
        let table = amiseal(&stage.control_plane, &["guardrails", "--policy", POLICY]).await?;
        screen.block(&table);
        let verdicts = [self.of_guardrail(), self.of_held(), self.of_image(stage.aws.sim())];
        for verdict in &verdicts {
            match verdict {
                Ok(text) => screen.verdict(true, &format!("OK: {text}")),
                Err(text) => screen.verdict(false, &format!("NOT OK: {text}")),
            }
        }
        Ok(verdicts.iter().all(Result::is_ok))
    }

    fn of_guardrail(&self) -> Result<String, String> {
        let (Some(off), Some(on)) = (self.turned_off, self.on_again) else {
            return Err(format!("{GUARDRAIL} was not turned off and set again"));
        };
        let took = (on - off).as_secs();
        Ok(format!(
            "{GUARDRAIL}, which somebody had turned off, held again {took} s later"
        ))
    }

    fn of_held(&self) -> Result<String, String> {
        match self.is_held {
            true => Ok("what a declarative policy holds is said, and left".to_owned()),
            false => Err(format!("{ACCOUNT} {HELD_REGION} does not say {HELD}")),
        }
    }

    fn of_image(&self, sim: &Sim) -> Result<String, String> {
        let image = self.image.as_ref().ok_or("no image was made")?;
        let copied = image.copied.ok_or("the new image has no copy")?;
        let took = copied - image.made;
        let (looks, scans) = listed(sim, image);
        if scans > 0 || looks < 2 {
            return Err(format!("{looks} looks and {scans} scans have shown the new image"));
        }
        if took > MIGRATED {
            return Err(format!("the new image has its copy only after {} s", took.as_secs()));
        }
        Ok(format!(
            "the new image was found by {looks} looks and no scan, and had its encrypted copy after {} s",
            took.as_secs()
        ))
    }
}

/// The target of a region of the account.
fn target<'a>(objects: &'a Objects, region: &str) -> Option<&'a Object> {
    let mut targets = objects.targets.iter();
    targets.find(|target| target.text("/spec/accountID") == ACCOUNT && target.text("/spec/region") == region)
}

/// What a target says of the guardrail.
fn row(target: &Object) -> Option<&Value> {
    let mut rows = target.list("/status/guardrails").iter();
    rows.find(|row| row["name"] == GUARDRAIL)
}

/// Whether it is on record that the guardrail holds, so that it is told from one that never did.
fn holds(target: &Object) -> bool {
    row(target).is_some_and(|row| row["holds"] == true && row["heldSince"].is_string())
}

fn has_just_scanned(target: &Object) -> bool {
    let scanned = target.text("/status/lastScanTime").parse::<Timestamp>();
    scanned.is_ok_and(|scanned| Timestamp::now().duration_since(scanned) < JUST_SCANNED)
}

/// Registers the image. Looks ask for what was made today by the machine's clock, which the simulated time is behind.
fn make_image(screen: &Screen, sim: &Sim) -> Result<NewImage> {
    let text = read_demo_file("new-image.yaml")?;
    let mut image: ImageSpec = serde_saphyr::from_str(&text).context("demo/new-image.yaml is no image")?;
    image.creation_date = Some(SimTime::from_millis(Timestamp::now().as_millisecond()));
    let name = image.name.clone();
    let after = sim.with_journal(|calls| calls.last().map_or(0, |call| call.seq));
    let made = sim.edit(Edit::AddImage {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        image: Box::new(image),
    })?;
    let id = made["images"][0].as_str().context("the simulator has made no image")?;
    screen.step(&format!(
        "Somebody registers {name} in {ACCOUNT} {REGION}, which is not encrypted: {id}"
    ));
    Ok(NewImage {
        id: id.to_owned(),
        made: screen.elapsed(),
        after,
        found: None,
        copied: None,
    })
}

fn turn_off(sim: &Sim) -> Result<()> {
    let set = sim.with_world(|world| Some(world.region(ACCOUNT, REGION)?.guardrails_asked()));
    let set = set.with_context(|| format!("demo/world.yaml has no {ACCOUNT} {REGION}"))?;
    sim.edit(Edit::SetGuardrails {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        guardrails: Box::new(Guardrails {
            image_public_access: Some("unblocked".to_owned()),
            ..set
        }),
    })?;
    Ok(())
}

/// How many looks and how many scans have listed images between the making of the image and its copy.
fn listed(sim: &Sim, image: &NewImage) -> (usize, usize) {
    let calls = sim.journal_after(image.after);
    let is_copy = |call: &&Call| {
        let source = call.params.get("SourceImageId");
        call.operation == "CopyImage" && !call.dry_run && source == Some(&image.id)
    };
    let copy = calls.iter().find(is_copy).map_or(u64::MAX, |call| call.seq);
    let is_listing = |call: &&Call| {
        let is_there = call.account == ACCOUNT && call.region == REGION;
        is_there && call.operation == "DescribeImages" && call.outcome == "OK" && call.seq < copy
    };
    let filter = |call: &Call| call.params.get("Filter.1.Name").cloned();
    let listings: Vec<&Call> = calls.iter().filter(is_listing).collect();
    let looks = listings
        .iter()
        .filter(|call| filter(call).is_some_and(|name| name == "creation-date"));
    let scans = listings
        .iter()
        .filter(|call| filter(call).is_none() && !call.params.contains_key("ImageId.1"));
    (looks.count(), scans.count())
}
