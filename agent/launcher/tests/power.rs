//! Power is lost after every single thing that is done to the disk, each time
//! with what was not synced torn, and with the last rename kept or not.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use pinion_launcher::disk::{Disk, Real};
use pinion_launcher::slot_dir::SlotDir;
use pinion_model::{Attempt, Generation};
use pinion_workload::{Candidate, End, OpId, Slot, Slots, TRIES};

/// Loses power after so many things.
#[derive(Clone)]
struct Failing(Rc<RefCell<State>>);

struct State {
    left: usize,
    done: usize,
    /// Written and not synced.
    dirty: Vec<PathBuf>,
    /// Renamed without a sync of the directory: target and what it held before.
    renamed: Vec<(PathBuf, Option<Vec<u8>>)>,
}

impl Failing {
    fn after(left: usize) -> Self {
        Self(Rc::new(RefCell::new(State {
            left,
            done: 0,
            dirty: Vec::new(),
            renamed: Vec::new(),
        })))
    }

    fn step(&self) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        if state.left == 0 {
            return Err(io::Error::other("the power is gone"));
        }
        state.left -= 1;
        state.done += 1;
        Ok(())
    }

    /// What the disk holds when the power is back.
    fn come_back(&self, renames_are_kept: bool) {
        let state = self.0.borrow();
        for path in &state.dirty {
            let content = fs::read(path).unwrap_or_default();
            fs::write(path, &content[..content.len() / 2]).expect("torn");
        }
        if renames_are_kept {
            return;
        }
        for (path, before) in state.renamed.iter().rev() {
            match before {
                Some(before) => fs::write(path, before).expect("undone"),
                None => fs::remove_file(path).expect("undone"),
            }
        }
    }
}

impl Disk for Failing {
    fn write(&self, path: &Path, content: &mut dyn Read, mode: u32) -> io::Result<()> {
        if let Err(gone) = self.step() {
            // In the middle of it.
            Real.write(path, &mut content.take(3), mode)?;
            return Err(gone);
        }
        Real.write(path, content, mode)?;
        self.0.borrow_mut().dirty.push(path.to_owned());
        Ok(())
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.0.borrow_mut().dirty.retain(|dirty| dirty != path);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        let before = fs::read(to).ok();
        Real.rename(from, to)?;
        let mut state = self.0.borrow_mut();
        for dirty in &mut state.dirty {
            if dirty == from {
                to.clone_into(dirty);
            }
        }
        state.renamed.push((to.to_owned(), before));
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        let mut state = self.0.borrow_mut();
        state.renamed.retain(|(to, _)| to.parent() != Some(path));
        Ok(())
    }
}

fn op() -> OpId {
    OpId::new(Generation(5), Attempt(1), 0)
}

fn candidate() -> Candidate {
    Candidate {
        op: op(),
        slot: Slot::B,
        tries_left: TRIES,
        crashes: 0,
        deadline: Duration::from_secs(1),
        confirmed: false,
        addresses: Vec::new(),
    }
}

const OLD: &[u8] = b"the old program, which was proven";
const NEW: &[u8] = b"the new program, which is longer than the old one";

/// Two updates: one that is kept, and after it one that crashes until it is taken back.
fn two_updates<D: Disk>(places: &SlotDir<D>) -> Result<(), String> {
    let text = |error: io::Error| error.to_string();
    let held = || {
        places
            .load()
            .map_err(text)?
            .ok_or("nothing is known".to_owned())
    };
    let lay = |slot, mut content: &[u8]| -> Result<(), String> {
        places.store(&held()?.emptied(slot)).map_err(text)?;
        let program = places
            .lay(slot, &mut content, |_| Ok(()))
            .map_err(|e| e.to_string())?;
        let mut slots = held()?;
        slots.programs.insert(slot, program);
        places.store(&slots).map_err(text)
    };
    lay(Slot::B, NEW)?;
    places
        .store(&held()?.handed_over(candidate()))
        .map_err(text)?;
    places.store(&held()?.starting().0).map_err(text)?;
    places.store(&held()?.confirmed(&op())).map_err(text)?;
    places.store(&held()?.kept(&op())).map_err(text)?;
    lay(Slot::A, OLD)?;
    let other = Candidate {
        slot: Slot::A,
        ..candidate()
    };
    places.store(&held()?.handed_over(other)).map_err(text)?;
    for _ in 0..TRIES {
        let (slots, start) = held()?.starting();
        places.store(&slots).map_err(text)?;
        let end = End::ByItself("exit status: 1".to_owned());
        places
            .store(&held()?.ended(&start, &end, "boom"))
            .map_err(text)?;
    }
    Ok(())
}

/// A proven program in the first slot.
fn begun(dir: &Path) -> Slots {
    let places = SlotDir::below(dir);
    let program = places.lay(Slot::A, &mut { OLD }, |_| Ok(())).expect("laid");
    let slots = Slots::first(program);
    places.store(&slots).expect("stored");
    slots
}

#[test]
fn wherever_the_power_is_lost_a_whole_program_is_started_and_a_trial_comes_to_an_end() {
    let whole = tempfile::tempdir().expect("a directory");
    begun(whole.path());
    let disk = Failing::after(usize::MAX);
    two_updates(&SlotDir::on(disk.clone(), whole.path())).expect("nothing fails");
    let steps = disk.0.borrow().done;
    assert!(steps > 50, "{steps}");
    for after in 0..steps {
        for renames_are_kept in [true, false] {
            let dir = tempfile::tempdir().expect("a directory");
            begun(dir.path());
            let disk = Failing::after(after);
            two_updates(&SlotDir::on(disk.clone(), dir.path())).expect_err("the power is lost");
            disk.come_back(renames_are_kept);
            let case = format!("after {after} of {steps}, renames kept: {renames_are_kept}");
            goes_on(&SlotDir::below(dir.path()), &case);
        }
    }
}

/// Starts like a launcher whose programs all crash: each is whole, and it ends
/// with one that is no candidate.
fn goes_on(places: &SlotDir, case: &str) {
    for starts in 0.. {
        assert!(
            starts <= 2 * TRIES,
            "{case}: a candidate is started for ever"
        );
        let slots = places.load().expect(case).expect(case);
        let (slots, start) = slots.starting();
        places.store(&slots).expect(case);
        let program = slots.programs.get(&start.slot).expect(case);
        places.check(start.slot, program).expect(case);
        let content = fs::read(places.program(start.slot)).expect(case);
        assert!(content == OLD || content == NEW, "{case}");
        if start.tried_by.is_none() {
            File::open(places.program(slots.current)).expect(case);
            return;
        }
        let end = End::ByItself("exit status: 1".to_owned());
        places.store(&slots.ended(&start, &end, "")).expect(case);
    }
}
