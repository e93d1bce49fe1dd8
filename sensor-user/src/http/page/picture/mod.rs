//! Pictures of an incident, as shapes that the templates draw (SVG).

mod hosts;
mod timeline;

pub(super) use self::{hosts::Hosts, timeline::Timeline};
