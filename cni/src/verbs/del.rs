//! DEL: everything of a pod away. It needs no namespace, no result, no compiler and no readable record.

use super::addresses::{Addresses, Patience};
use super::failures;
use super::node::Node;
use super::teardown::tear_down;
use crate::error::Error;
use crate::log::CallLog;
use crate::reply::Reply;
use crate::request::{Del, Environment};

/// Takes a pod's interface away.
pub(crate) fn del(
    request: &Del,
    environment: &Environment,
    log: &mut CallLog,
) -> Result<Reply, Error> {
    let (conf, attachment) = (&request.conf, &request.attachment);
    let node = Node::open(conf.settings.as_deref(), log)?;
    let _lock = node
        .attachments
        .lock(attachment)
        .map_err(failures::attachments)?;
    let addresses = Addresses::new(&node, conf, &request.path, environment, Patience::Short);
    tear_down(&node, attachment, log, |known| {
        addresses.release(attachment, known)
    })?;
    Ok(Reply::Done)
}
