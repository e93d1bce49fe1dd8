//! Circles in a graph of imports.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::source::Import;

/// Modules that import each other.
pub(super) struct Circle {
    /// A shortest way around.
    pub(super) imports: Vec<Import>,
    /// All modules from which each other one of the group can be reached.
    pub(super) group: Vec<String>,
}

/// The imports of each module by the module that they lead to; of several the first is kept.
type Graph<'a> = BTreeMap<&'a str, BTreeMap<&'a str, &'a Import>>;

/// Finds one shortest circle in each group of modules that import each other.
pub(super) fn find(imports: &[Import]) -> Vec<Circle> {
    let mut graph = Graph::new();
    for import in imports.iter().filter(|import| import.from != import.to) {
        graph.entry(&import.from).or_default().entry(&import.to).or_insert(import);
    }
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        graph.keys().map(|module| (*module, reachable(&graph, module))).collect();
    let leads = |from: &str, to: &str| reached.get(from).is_some_and(|reached| reached.contains(to));

    let mut circles = Vec::new();
    let mut grouped: BTreeSet<&str> = BTreeSet::new();
    for module in graph.keys().copied() {
        if grouped.contains(module) || !leads(module, module) {
            continue;
        }
        let group: Vec<&str> =
            graph.keys().copied().filter(|other| leads(module, other) && leads(other, module)).collect();
        grouped.extend(&group);
        let ways = group.iter().filter_map(|start| way_around(&graph, start));
        if let Some(imports) = ways.min_by_key(Vec::len) {
            circles.push(Circle { imports, group: group.into_iter().map(str::to_owned).collect() });
        }
    }
    circles
}

/// The modules that `start` imports, directly or not.
fn reachable<'a>(graph: &Graph<'a>, start: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![start];
    while let Some(module) = waiting.pop() {
        for next in graph.get(module).into_iter().flat_map(BTreeMap::keys).copied() {
            if found.insert(next) {
                waiting.push(next);
            }
        }
    }
    found
}

/// A shortest way from `start` back to it.
fn way_around(graph: &Graph<'_>, start: &str) -> Option<Vec<Import>> {
    let mut came_by: BTreeMap<&str, &Import> = BTreeMap::new();
    let mut waiting = VecDeque::from([start]);
    while let Some(module) = waiting.pop_front() {
        for (next, import) in graph.get(module).into_iter().flatten() {
            if came_by.contains_key(next) {
                continue;
            }
            came_by.insert(next, import);
            waiting.push_back(next);
        }
    }
    let mut way = vec![(*came_by.get(start)?).clone()];
    while let Some(first) = way.last().filter(|import| import.from != start) {
        way.push((*came_by.get(first.from.as_str())?).clone());
    }
    way.reverse();
    Some(way)
}
