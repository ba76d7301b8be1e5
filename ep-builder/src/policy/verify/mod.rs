//! What is in force held against what documents mean: random cases, compiled, written into maps, and asked of
//! the programs themselves.
//!
//! ```text
//! seed -> [oracle::random] -> Case --+-> [compile] -> Compiled -> maps of twins --+
//!                                    +-> [oracle::verdict] -----------------------+-> Counterexample, if any
//! ```
//!
//! The node's own programs have no twins: its packets are looked up in the entries alone.
//!
//! The programs are twins (`explain`): loaded a second time, on maps that nobody else sees. So this can be done
//! on a node that is at work.

mod error;
mod play;
mod stage;

use crate::patch::Template;
use crate::policy::oracle::random::{self, Choices};
use crate::policy::oracle::{Case, HOST, Packet, Verdict, shrink, yaml};
use crate::policy::{CompileError, Compiled};
use crate::shape::NodeConfig;
pub use error::VerifyError;
pub use play::{Moment, Seen};
use stage::Stage;

/// Packets of a case.
const PACKETS: usize = 24;

/// What makes entries of a case.
pub type Compiler = fn(&Case) -> Result<Compiled, CompileError>;

/// Programs of a template on a stage.
#[derive(Debug)]
pub struct Verification<'a> {
    stage: Stage<'a>,
    /// Whether the programs know IPv4, and IPv6.
    families: [bool; 2],
    compiler: Compiler,
    questions: u64,
}

/// A case that is judged otherwise than its documents mean.
#[derive(Clone, Debug)]
pub struct Counterexample {
    /// What the case was made from.
    pub seed: u64,
    /// The smallest case that was found to be wrong.
    pub case: Case,
    /// Its packet.
    pub packet: Packet,
    /// When the policy was asked about it.
    pub moment: Moment,
    /// What came of it.
    pub seen: Seen,
}

impl<'a> Verification<'a> {
    /// Loads the programs of a template of this node, which track connections and drop what policy denies.
    pub fn new(template: &'a Template, node: &NodeConfig) -> Result<Self, VerifyError> {
        Ok(Self {
            stage: Stage::new(template, &node.map_prefix)?,
            families: [node.ipv4, node.ipv6],
            compiler: Case::compiled,
            questions: 0,
        })
    }

    /// Compiles by something else than the compiler.
    #[must_use]
    pub fn with_compiler(self, compiler: Compiler) -> Self {
        Self { compiler, ..self }
    }

    /// How many questions were put to the programs.
    pub fn questions(&self) -> u64 {
        self.questions
    }

    /// Whether the case of a seed is judged otherwise than its documents mean.
    pub fn is_wrong(&mut self, seed: u64) -> Result<bool, VerifyError> {
        let case = self.case(seed);
        Ok(self.find(&case)?.is_some())
    }

    /// Makes the case of a seed and plays it. One that is wrong is made as small as can be.
    pub fn check(&mut self, seed: u64) -> Result<Option<Counterexample>, VerifyError> {
        let case = self.case(seed);
        if self.find(&case)?.is_none() {
            return Ok(None);
        }
        let mut failed = None;
        let case = shrink(case, |smaller| match self.find(smaller) {
            Ok(found) => found.is_some(),
            Err(error) => {
                failed.get_or_insert(error);
                false
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        let found = self.find(&case)?;
        Ok(found.map(|(packet, moment, seen)| Counterexample {
            seed,
            case,
            packet,
            moment,
            seen,
        }))
    }

    fn case(&self, seed: u64) -> Case {
        let mut case = random::case(&mut Choices::seeded(seed), PACKETS);
        let [ipv4, ipv6] = self.families;
        case.packets.retain(|packet| {
            let is_known = if packet.address.is_ipv4() { ipv4 } else { ipv6 };
            is_known && Stage::can_play(packet)
        });
        case
    }

    /// The first packet of a case that is judged otherwise.
    fn find(&mut self, case: &Case) -> Result<Option<(Packet, Moment, Seen)>, VerifyError> {
        let compiled = (self.compiler)(case)?;
        self.stage.set(case, &compiled)?;
        for packet in &case.packets {
            let Some(meant) = case.meant(packet) else {
                continue;
            };
            if packet.subject == HOST {
                self.questions += 1;
                let seen = Seen::Answer(packet.answer(&compiled));
                if !seen.agrees(Moment::First, &meant, &compiled.origins) {
                    return Ok(Some((*packet, Moment::First, seen)));
                }
                continue;
            }
            for moment in Moment::ALL {
                self.questions += 1;
                let seen = self.stage.play(case, packet, moment)?;
                let wrong = seen.filter(|seen| !seen.agrees(moment, &meant, &compiled.origins));
                if let Some(seen) = wrong {
                    return Ok(Some((*packet, moment, seen)));
                }
            }
        }
        Ok(None)
    }
}

impl Counterexample {
    /// What the documents mean for the packet.
    pub fn meant(&self) -> Option<Verdict<'_>> {
        self.case.meant(&self.packet)
    }

    /// The case as a file that `weir policy validate` reads, with pods and packets in comments.
    pub fn documents(&self) -> Result<String, VerifyError> {
        Ok(yaml(&self.case)?)
    }
}
