//! `weir policy apply --confirm-within` and `weir policy confirm`: a policy that goes again unless somebody wants it.

use std::io::{self, IsTerminal, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;
use std::time::Duration;

use ep_builder::policy::{Applied, Documents, EnforceError, Enforcement};

use super::{apply, on_disk};
use crate::failure::Failure;
use crate::monitor::signals::Signals;
use crate::node::Node;
use crate::screen::{Screen, talk};

/// How often it is asked whether somebody else has decided.
const TICK: Duration = Duration::from_millis(200);

/// What became of a policy that waited.
enum Outcome {
    Confirmed,
    /// Its time was over, and the one before it is in force under this revision.
    TakenBack(u32),
    /// Somebody else has ended the wait, and something else is in force.
    Replaced,
}

/// Puts the files in force, and waits for somebody to confirm that. Exits with 1 if nobody did.
pub(super) fn apply(node: &Node, span: Duration, screen: &Screen) -> Result<ExitCode, Failure> {
    let documents = on_disk(node)?;
    let store = node.store()?;
    let enforcement = Enforcement::new(&node.settings, &store);
    // Before there is something to lose by them: the session may end with what is about to be in force.
    let signals = Signals::block_beyond_the_terminal()?;
    let is_asked = io::stdin().is_terminal();
    if !is_asked {
        // Who leads a group of processes cannot leave it, and is not lost with its session either.
        nix::unistd::setsid().map(drop).unwrap_or_default();
    }
    // From here on nothing that is only told may end the wait.
    let shown = match enforcement.apply_for(&documents, span) {
        Ok(applied) => apply::show_applied(&applied, &documents, Some(span), screen),
        // It is in force all the same, and waits.
        Err(error @ EnforceError::Unsettled { .. }) => Err(error.into()),
        Err(error) => return Err(error.into()),
    };
    talk(&format!(
        "for {} seconds: `weir policy confirm` from another session{} keeps it; else the policy before it comes back",
        span.as_secs(),
        if is_asked { ", or Enter here," } else { "" }
    ));
    let outcome = wait(&enforcement, &documents, &signals, is_asked)?;
    shown?;
    Ok(tell(&outcome))
}

fn tell(outcome: &Outcome) -> ExitCode {
    match outcome {
        Outcome::Confirmed => {
            talk("confirmed: it stays in force");
            ExitCode::SUCCESS
        }
        Outcome::TakenBack(revision) => {
            tell_of_return(*revision);
            ExitCode::FAILURE
        }
        Outcome::Replaced => {
            talk("it is not in force any more; the files in policy_dir still say it");
            ExitCode::FAILURE
        }
    }
}

fn tell_of_return(revision: u32) {
    talk(&format!(
        "not confirmed: the policy before is in force again, as revision {revision}; the files in policy_dir still say the new one"
    ));
}

/// Waits until somebody confirms it, the time is over, or this process is told to end: then it goes at once.
fn wait(
    enforcement: &Enforcement<'_>,
    documents: &Documents,
    signals: &Signals,
    mut is_asked: bool,
) -> Result<Outcome, Failure> {
    let mut is_told_to_end = false;
    loop {
        let Some(waiting) = enforcement.waiting()? else {
            let stays = enforcement.is_in_force(documents)?;
            return Ok(if stays {
                Outcome::Confirmed
            } else {
                Outcome::Replaced
            });
        };
        if is_told_to_end || waiting.left.is_zero() {
            match go_back(enforcement, is_told_to_end)? {
                Some(outcome) => return Ok(outcome),
                None => continue,
            }
        }
        let input = io::stdin();
        let watched: &[BorrowedFd<'_>] = &[input.as_fd()];
        let watched = if is_asked { watched } else { &[] };
        is_told_to_end = signals.wait(watched, TICK.min(waiting.left))?;
        if is_asked && !is_told_to_end {
            match entered(&input)? {
                Answer::Enter => return confirm(enforcement),
                Answer::Nothing => {}
                // The terminal is gone: only another session can confirm now.
                Answer::Gone => is_asked = false,
            }
        }
    }
}

/// Takes the policy back, at once or because its time is over; none if somebody else is at work on policies. Pods come
/// all the time, and who is locked out cannot try again.
fn go_back(enforcement: &Enforcement<'_>, at_once: bool) -> Result<Option<Outcome>, Failure> {
    let ended = if at_once {
        enforcement.take_back().map(Some)
    } else {
        enforcement.take_back_if_due()
    };
    match ended {
        Err(error) if error.is_busy() => Ok(None),
        ended => Ok(Some(went(ended?))),
    }
}

/// What the terminal says.
enum Answer {
    Enter,
    Nothing,
    Gone,
}

fn entered(input: &io::Stdin) -> Result<Answer, Failure> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut asked = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
    let ready = poll(&mut asked, PollTimeout::ZERO);
    if ready.map_err(|errno| Failure::Signals(errno.into()))? == 0 {
        return Ok(Answer::Nothing);
    }
    let mut bytes = [0; 64];
    Ok(match input.lock().read(&mut bytes) {
        Ok(0) | Err(_) => Answer::Gone,
        Ok(read) if bytes[..read].contains(&b'\n') => Answer::Enter,
        Ok(_) => Answer::Nothing,
    })
}

fn went(applied: Option<Applied>) -> Outcome {
    applied.map_or(Outcome::Replaced, |it| Outcome::TakenBack(it.revision))
}

fn confirm(enforcement: &Enforcement<'_>) -> Result<Outcome, Failure> {
    match enforcement.confirm() {
        // Somebody was faster.
        Ok(_) | Err(EnforceError::NothingToConfirm) => Ok(Outcome::Confirmed),
        Err(error) => Err(error.into()),
    }
}

/// `weir policy confirm`
pub(super) fn run(node: &Node) -> Result<(), Failure> {
    let store = node.store()?;
    let revision = Enforcement::new(&node.settings, &store).confirm()?;
    talk(&format!("confirmed: revision {revision} stays in force"));
    Ok(())
}

/// Takes back what was not confirmed in time by anybody, whatever became of who waited for it.
pub(super) fn end_if_due(node: &Node) -> Result<(), Failure> {
    let store = node.store()?;
    if let Some(applied) = Enforcement::new(&node.settings, &store).take_back_if_due()? {
        tell_of_return(applied.revision);
    }
    Ok(())
}
