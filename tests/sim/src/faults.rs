//! What goes wrong, when, and how it is mended.

use std::time::Duration;

use crate::event::{Event, Mend};
use crate::invariants::Held;
use crate::sim::Sim;
use crate::totals::Fault;

impl Sim {
    /// Something breaks, and something else will.
    pub(crate) fn fault(&mut self) -> Held {
        if self.now >= self.scenario.calm_at {
            return Ok(());
        }
        let again = self.random.until_next(self.scenario.fault_every);
        self.put_in(again, Event::Fault);
        let machine = self.random.below(self.machines.len());
        let draw = self.random.below(1000);
        match draw {
            0..200 => self.kill_agent(machine),
            200..300 => self.lose_power(machine),
            300..310 => self.vanish(machine),
            310..480 => {
                self.cut_off(machine);
                Ok(())
            }
            480..580 => {
                self.fill_disk(machine);
                Ok(())
            }
            580..680 => {
                self.silence_engine(machine);
                Ok(())
            }
            680..760 => {
                self.sicken(machine);
                Ok(())
            }
            760..800 => {
                self.ruin(machine);
                Ok(())
            }
            800..810 => self.lose_journal(machine),
            810..870 => self.join(),
            _ => self.trouble_a_coordinator(draw),
        }
    }

    /// Coordinators break no more often on a large fleet than on a small one.
    fn trouble_a_coordinator(&mut self, draw: usize) -> Held {
        let often = Duration::from_secs(60);
        let share = self.scenario.fault_every.as_secs_f64() / often.as_secs_f64();
        if self.random.unit() > share.min(1.0) {
            return Ok(());
        }
        match draw {
            870..930 => {
                if let Some(coordinator) = self.some_coordinator() {
                    self.kill(coordinator, Fault::CoordinatorKilled);
                }
            }
            930..995 => self.overlap(),
            _ => self.restore_backup(),
        }
        Ok(())
    }

    fn kill_agent(&mut self, machine: usize) -> Held {
        if !self.machines[machine].is_up() {
            return Ok(());
        }
        self.totals.count(Fault::AgentKilled);
        self.say(|| format!("fault             m{machine}: its agent is killed"));
        self.end_agent(machine)?;
        let back = self.random.millis(500, 120_000);
        self.put_in(back, Event::Mend(Mend::Agent(machine)));
        Ok(())
    }

    fn end_agent(&mut self, machine: usize) -> Held {
        self.cut_off_calls(machine)?;
        let known = &mut self.machines[machine];
        known.is_awake = false;
        known.process += 1;
        known.reports.restart();
        self.hang_up(machine);
        Ok(())
    }

    fn lose_power(&mut self, machine: usize) -> Held {
        if !self.machines[machine].has_power {
            return Ok(());
        }
        self.totals.count(Fault::PowerLost);
        self.say(|| format!("fault             m{machine}: it loses its power"));
        self.power_off(machine)?;
        let back = self.random.seconds(5, 900);
        self.put_in(back, Event::Mend(Mend::Power(machine)));
        Ok(())
    }

    fn power_off(&mut self, machine: usize) -> Held {
        self.end_agent(machine)?;
        let now = self.now;
        let known = &mut self.machines[machine];
        known.has_power = false;
        known.engine.pass_time(now);
        known.engine.lose_power(now);
        Ok(())
    }

    fn vanish(&mut self, machine: usize) -> Held {
        let share = self
            .machines
            .iter()
            .filter(|machine| machine.has_vanished)
            .count();
        if self.machines[machine].has_vanished || share * 20 > self.machines.len() {
            return Ok(());
        }
        self.totals.count(Fault::Vanished);
        self.say(|| format!("fault             m{machine}: it vanishes for good"));
        self.machines[machine].has_vanished = true;
        if self.machines[machine].has_power {
            self.power_off(machine)
        } else {
            Ok(())
        }
    }

    fn cut_off(&mut self, machine: usize) {
        if std::mem::replace(&mut self.machines[machine].is_cut_off, true) {
            return;
        }
        self.totals.count(Fault::Partition);
        self.say(|| format!("fault             m{machine}: it is cut off from the network"));
        if let Some(link) = self.machines[machine].session.link {
            self.cut(link);
        }
        let longest = if self.random.chance(200) { 3600 } else { 240 };
        let back = self.random.seconds(1, longest);
        self.put_in(back, Event::Mend(Mend::Network(machine)));
    }

    fn fill_disk(&mut self, machine: usize) {
        if std::mem::replace(&mut self.machines[machine].disk_is_full, true) {
            return;
        }
        self.totals.count(Fault::DiskFull);
        self.say(|| format!("fault             m{machine}: its disk is full"));
        let back = self.random.seconds(1, 600);
        self.put_in(back, Event::Mend(Mend::Disk(machine)));
    }

    fn silence_engine(&mut self, machine: usize) {
        if std::mem::replace(&mut self.machines[machine].engine_is_silent, true) {
            return;
        }
        self.totals.count(Fault::EngineSilent);
        self.say(|| format!("fault             m{machine}: its engine does not answer"));
        let back = self.random.seconds(1, 180);
        self.put_in(back, Event::Mend(Mend::Engine(machine)));
    }

    fn sicken(&mut self, machine: usize) {
        let (now, draw) = (self.now, self.random.below(4));
        let lasts = self.random.seconds(2, 400);
        if self.machines[machine].engine.sicken(draw, lasts, now) {
            self.totals.count(Fault::Sickened);
            self.say(|| format!("fault             m{machine}: a container sickens"));
            self.engine_changes_at(machine);
            self.engine_event(machine);
        }
    }

    fn ruin(&mut self, machine: usize) {
        let draw = self.random.below(4);
        if self.machines[machine].engine.ruin(draw) {
            self.totals.count(Fault::Ruined);
            self.say(|| format!("fault             m{machine}: a container would not start again"));
        }
    }

    /// Files of the journal are damaged, and found so at the next start.
    fn lose_journal(&mut self, machine: usize) -> Held {
        if !self.machines[machine].is_up() {
            return Ok(());
        }
        self.totals.count(Fault::JournalLost);
        self.say(|| format!("fault             m{machine}: its journal is lost"));
        self.end_agent(machine)?;
        self.forget_journal(machine);
        self.put_in(Duration::from_secs(5), Event::Mend(Mend::Agent(machine)));
        Ok(())
    }

    fn join(&mut self) -> Held {
        let Some(machine) =
            (0..self.machines.len()).find(|machine| !self.machines[*machine].is_enrolled)
        else {
            return Ok(());
        };
        self.totals.count(Fault::Joined);
        self.say(|| format!("m{machine:<16} joins"));
        self.enrol(machine)?;
        self.wake(machine);
        Ok(())
    }

    /// A coordinator ends here, now and then.
    pub(crate) fn maybe_killed(&mut self, coordinator: usize, when: Fault) {
        if self.now < self.scenario.calm_at && self.random.chance(2) {
            self.kill(coordinator, when);
        }
    }

    fn kill(&mut self, coordinator: usize, when: Fault) {
        if !self.coordinators[coordinator].is_alive {
            return;
        }
        self.totals.count(when);
        self.say(|| format!("fault             {}: {coordinator}", when.word()));
        self.end_coordinator(coordinator);
        let back = self.random.millis(100, 90_000);
        self.put_in(back, Event::Mend(Mend::Coordinator));
    }

    /// All that it held but the store is gone.
    fn end_coordinator(&mut self, coordinator: usize) {
        self.cut_all(coordinator);
        self.coordinators[coordinator] = crate::coordinator::Coordinator::default();
    }

    fn overlap(&mut self) {
        let alive: Vec<_> = (0..self.coordinators.len())
            .filter(|number| self.coordinators[*number].is_alive)
            .collect();
        let [old] = alive.as_slice() else { return };
        self.totals.count(Fault::Overlap);
        self.start_coordinator();
        let beside = self.random.seconds(2, 120);
        self.put_in(beside, Event::Mend(Mend::Handover(*old)));
    }

    /// The store is lost, and what took its place is from before. Few do that
    /// in a fleet's life, so at most once in a run.
    fn restore_backup(&mut self) {
        if self.totals.of(Fault::BackupRestored) > 0 {
            return;
        }
        self.totals.count(Fault::BackupRestored);
        for coordinator in 0..self.coordinators.len() {
            if self.coordinators[coordinator].is_alive {
                self.end_coordinator(coordinator);
            }
        }
        let commits = self.store.history.len();
        let since = commits.saturating_sub(self.store.begun);
        let lost = self.random.below(1 + since.min(400));
        self.say(|| format!("fault             a backup is restored: {lost} commit(s) are lost"));
        self.store.restore(commits - lost);
        self.forget_what_was_lost();
        self.put_in(Duration::from_secs(20), Event::Mend(Mend::Coordinator));
    }

    /// Something is whole again.
    pub(crate) fn mend(&mut self, mend: Mend) -> Held {
        match mend {
            Mend::Power(machine) => self.power_on(machine),
            Mend::Agent(machine) => self.wake(machine),
            Mend::Network(machine) => self.machines[machine].is_cut_off = false,
            Mend::Disk(machine) => self.machines[machine].disk_is_full = false,
            Mend::Engine(machine) => {
                self.machines[machine].engine_is_silent = false;
                self.engine_event(machine);
            }
            Mend::Handover(coordinator) => {
                if self.coordinators[coordinator].is_alive {
                    self.end_coordinator(coordinator);
                }
                self.one_coordinator();
            }
            Mend::Coordinator => self.one_coordinator(),
        }
        Ok(())
    }

    /// One begins where none is left, also where the one that was to take over
    /// has ended meanwhile.
    fn one_coordinator(&mut self) {
        let mut all = self.coordinators.iter();
        if !all.any(|coordinator| coordinator.is_alive) {
            self.start_coordinator();
        }
    }

    fn power_on(&mut self, machine: usize) {
        let now = self.now;
        let known = &mut self.machines[machine];
        if known.has_vanished || known.has_power {
            return;
        }
        known.has_power = true;
        known.engine_at = None;
        known.engine.boot(now);
        self.say(|| format!("m{machine:<16} has power again"));
        self.engine_changes_at(machine);
        let starts = self.random.millis(100, 20_000);
        self.put_in(starts, Event::Mend(Mend::Agent(machine)));
    }

    /// Nothing breaks any more, and all but what has vanished is mended.
    pub(crate) fn calm(&mut self) -> Held {
        self.say(|| "the faults stop".to_owned());
        for machine in 0..self.machines.len() {
            for mend in [
                Mend::Network(machine),
                Mend::Disk(machine),
                Mend::Engine(machine),
                Mend::Power(machine),
                Mend::Agent(machine),
            ] {
                self.mend(mend)?;
            }
        }
        let alive: Vec<_> = (0..self.coordinators.len())
            .filter(|number| self.coordinators[*number].is_alive)
            .collect();
        for old in alive.iter().rev().skip(1) {
            self.mend(Mend::Handover(*old))?;
        }
        self.mend(Mend::Coordinator)?;
        self.put_in(Duration::from_secs(300), Event::Care(0));
        Ok(())
    }
}
