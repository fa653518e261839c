//! Amazon Inspector scans images by itself, some time after they have become available, and those that it is asked to scan.

use super::{Event, State};
use crate::clock::SimTime;
use crate::glob;
use crate::model::{Image, ImageState, Scan};
use crate::spec::InspectorSettings;

impl State {
    /// An image has become available: Amazon Inspector scans it, where it is on, unless it has scanned it before.
    pub(crate) fn inspector_finds(&mut self, (account, region): (&str, &str), id: &str, now: SimTime) {
        let image = self.world.region(account, region).and_then(|r| r.images.get(id));
        let is_new = image.is_some_and(|image| image.scan.is_none());
        let seconds = self.settings.inspector.scan_seconds;
        if let Some(seconds) = seconds.filter(|_| is_new) {
            let event = Event::Scan {
                account: account.to_owned(),
                region: region.to_owned(),
                id: id.to_owned(),
            };
            self.events.insert((now.plus_seconds(seconds), event));
        }
    }

    /// Its settings were these: what is in scope by those of now, and is not scanned, it finds then.
    pub(crate) fn inspector_changed(&mut self, before: &InspectorSettings, now: SimTime) {
        if self.settings.inspector == *before {
            return;
        }
        let images = self.world.regions().flat_map(|(account, region)| {
            let images = region.images.values();
            images.map(move |image| (account.id.clone(), region.name.clone(), image.id.clone()))
        });
        for (account, region, id) in images.collect::<Vec<_>>() {
            self.inspector_finds((&account, &region), &id, now);
        }
    }

    /// Amazon Inspector comes to an image, and scans it if it is in scope.
    pub(super) fn inspect(&mut self, (account, region): (&str, &str), id: &str, at: SimTime) {
        let settings = &self.settings.inspector;
        let Some(image) = self.world.region(account, region).and_then(|r| r.images.get(id)) else {
            return;
        };
        // It may have come upon it twice, as where it was disabled for a while.
        if settings.scan_seconds.is_none() || image.scan.is_some() || !is_in_scope(image, settings) {
            return;
        }
        let highest = highest(image, settings);
        if let Some(image) = self
            .world
            .region_mut(account, region)
            .and_then(|r| r.images.get_mut(id))
        {
            image.scan = Some(Scan {
                highest,
                scanned: Some(at),
                ..Scan::default()
            });
        }
    }

    /// An on-demand scan ends.
    pub(super) fn finish_on_demand(&mut self, (account, region): (&str, &str), id: &str, at: SimTime) {
        let settings = self.settings.inspector.on_demand.clone();
        let Some(place) = self.world.region_mut(account, region) else {
            return;
        };
        let Some(scan) = place.on_demand_scans.iter_mut().find(|scan| scan.id == id) else {
            return;
        };
        let is_there = place.images.get(&scan.image).is_some_and(Image::exists);
        scan.completed = Some(at);
        scan.failure = if is_there {
            settings.fails
        } else {
            Some("RESOURCE_TERMINATED".to_owned())
        };
        if let Some(seconds) = settings.result_seconds.filter(|_| scan.failure.is_none()) {
            let event = Event::OnDemandResult {
                account: account.to_owned(),
                region: region.to_owned(),
                id: id.to_owned(),
            };
            self.events.insert((at.plus_seconds(seconds), event));
        }
    }

    /// EC2 comes to show what an on-demand scan has found, unless it shows a later one.
    pub(super) fn show_on_demand(&mut self, (account, region): (&str, &str), id: &str) {
        let settings = self.settings.inspector.clone();
        let Some(place) = self.world.region_mut(account, region) else {
            return;
        };
        let Some(scan) = place.on_demand_scans.iter().find(|scan| scan.id == id) else {
            return;
        };
        let completed = scan.completed;
        let Some(image) = place.images.get_mut(&scan.image) else {
            return;
        };
        if image.scan.as_ref().is_some_and(|known| known.scanned > completed) {
            return;
        }
        image.scan = Some(Scan {
            highest: highest(image, &settings),
            scanned: completed,
            ..Scan::default()
        });
    }
}

/// The worst that it finds in an image.
fn highest(image: &Image, settings: &InspectorSettings) -> Option<String> {
    let matches = |pattern: &str| glob::matches(pattern, &image.id) || glob::matches(pattern, &image.name);
    let found = settings.findings.iter().find(|finding| matches(&finding.image));
    found.map(|finding| finding.highest.clone())
}

fn is_in_scope(image: &Image, settings: &InspectorSettings) -> bool {
    image.exists()
        && image.state == ImageState::Available
        && image.image_type == "machine"
        && image.attributes.root_device_type == "ebs"
        && !(settings.exclude_copied_amis && image.source.is_some())
}
