//! Settings of a region as they are set: by calls at once or late, from outside at once. Each time is put down.

use super::{Event, Request, State};
use crate::clock::SimTime;
use crate::default_key;
use crate::events::call_of;
use crate::model::{Guardrails, LateSetting, Setting, SettingChange};

impl State {
    /// Sets a setting for a call, as far as no declarative policy holds it. Says whether that changed anything; none: it is
    /// held.
    pub(crate) fn set_guardrail(
        &mut self,
        request: &Request,
        setting: Setting,
        change: impl FnOnce(&mut Guardrails),
    ) -> Option<bool> {
        let place = (request.account(), request.region.as_str());
        let region = self.world.region(place.0, place.1)?;
        let before = region.guardrails_asked();
        let is_held = region.guardrails.by_declarative_policy && setting.is_of_policies();
        let held_since = is_held.then_some(region.policy_since);
        let late = region.late_settings.iter().find(|late| late.setting == setting);
        let shows_anyway = late.map_or(request.now, |late| late.at);
        let mut after = before.clone();
        change(&mut after);
        let changed = !is_held && setting.of(&before) != setting.of(&after);
        let longest = self.settings.guardrail_seconds;
        let shows_at = if changed {
            self.visible_at(request.now, longest)
        } else {
            shows_anyway
        };
        let barred = match (setting, &after.ebs_default_key) {
            (Setting::EbsDefaultKey, Some(key)) => default_key::barred(&self.world, place, key),
            _ => None,
        };
        let is_of_images = matches!(setting, Setting::AllowedImages | Setting::AllowedImageCriteria);
        let refuses = match is_of_images && !is_held {
            true => self.world.newly_hidden(place, (&before, &after), request.now),
            false => None,
        };
        let made = SettingChange {
            setting,
            call: Some(request.seq),
            at: request.now,
            shows_at,
            after: setting.of(&after),
            held_since,
            barred,
            refuses,
        };
        let region = self.world.region_mut(place.0, place.1)?;
        region.setting_changes.push(made);
        if changed {
            region.late_settings.retain(|late| late.setting != setting);
            region.late_settings.push(LateSetting {
                setting,
                to: after,
                at: shows_at,
            });
            self.show_late(place, setting, request.now, shows_at);
        }
        (!is_held).then_some(changed)
    }

    /// A setting shows now, or when its time comes.
    fn show_late(&mut self, (account, region): (&str, &str), setting: Setting, now: SimTime, shows_at: SimTime) {
        if shows_at <= now {
            self.show_setting((account, region), setting, now);
            return;
        }
        let event = Event::Setting {
            account: account.to_owned(),
            region: region.to_owned(),
            setting,
        };
        self.events.insert((shows_at, event));
    }

    /// A setting that was set shows and holds from now on, unless it was set again since.
    pub(super) fn show_setting(&mut self, (account, region): (&str, &str), setting: Setting, at: SimTime) {
        let Some(region) = self.world.region_mut(account, region) else {
            return;
        };
        let is_due = |late: &LateSetting| late.setting == setting && late.at <= at;
        if let Some(index) = region.late_settings.iter().position(is_due) {
            let late = region.late_settings.remove(index);
            setting.take(&late.to, &mut region.guardrails);
        }
    }

    /// Sets all settings from outside: they show at once. Says whether the region is there.
    pub(crate) fn edit_guardrails(&mut self, (account, name): (&str, &str), to: Guardrails, now: SimTime) -> bool {
        let calls = self.journal.len() as u64;
        let Some(region) = self.world.region_mut(account, name) else {
            return false;
        };
        let before = region.guardrails_asked();
        let differ = |setting: &Setting| setting.of(&before) != setting.of(&to);
        for setting in Setting::ALL.into_iter().filter(differ) {
            region.setting_changes.push(SettingChange {
                setting,
                call: None,
                at: now,
                shows_at: now,
                after: setting.of(&to),
                held_since: None,
                barred: None,
                refuses: None,
            });
        }
        if to.by_declarative_policy && !region.guardrails.by_declarative_policy {
            region.policy_since = calls;
        }
        // What a declarative policy sets no call does.
        let is_of_calls = |setting: &Setting| !(to.by_declarative_policy && setting.is_of_policies());
        let changed = Setting::ALL.into_iter().filter(differ).filter(is_of_calls);
        let operations: Vec<&str> = changed.map(|setting| call_of(setting, &setting.of(&to))).collect();
        region.late_settings.clear();
        region.guardrails = to;
        for operation in operations {
            self.edit_event((account, name), operation, None, now);
        }
        true
    }
}
