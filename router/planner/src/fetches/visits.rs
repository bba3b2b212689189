//! The requests that visits are part of: where the fields of a visit are written, and what the request waits for.

use std::rc::Rc;

use federation::query_graph::{KeyEdgeKind, NodeId};
use federation::query_plan::Representation;

use super::representations::add_representation;
use super::{Entry, Fetches, Group, GroupSet, Need, Needs, PathId, Place, RootTarget, WrittenAt};
use crate::place::Origin;
use crate::planner::PlanError;
use crate::selection::Conditions;
use crate::slots::Slot;

impl Fetches<'_, '_> {
    /// The tree and group of a visit, which is made with all it needs if it is not there.
    pub(super) fn visit(
        &mut self,
        place: &mut Place<'_>,
        visit: usize,
        requires: Option<&[usize]>,
        conditions: &Conditions,
    ) -> Result<WrittenAt, PlanError> {
        let mut visited = place.visited.iter().filter(|_| requires.is_none());
        if let Some((_, _, at)) = visited.find(|(known, needed, _)| *known == visit && needed == conditions) {
            return Ok(*at);
        }
        let at = self.visit_anew(place, visit, requires, conditions)?;
        if requires.is_none() {
            place.visited.push((visit, Rc::clone(conditions), at));
        }
        Ok(at)
    }

    fn visit_anew(
        &mut self,
        place: &mut Place<'_>,
        visit: usize,
        requires: Option<&[usize]>,
        conditions: &Conditions,
    ) -> Result<WrittenAt, PlanError> {
        let solved = Rc::clone(&place.solved);
        let jump_index = match solved.visits[visit].origin {
            Origin::Arrival(index) => {
                let cursor = place.cursors[index];
                return Ok((cursor.tree, cursor.group));
            }
            Origin::Jump(index) => index,
        };
        let jump = &solved.universe.jumps[jump_index];
        // The root object is always there.
        let first = place.cursors.first().filter(|_| place.position.path != PathId::ROOT);
        let mut needs: Needs = first.map(|cursor| Need::Group(cursor.group)).into_iter().collect();
        needs.extend(place.position.typed_by.iter().map(Need::Group));
        for item in jump
            .key
            .iter()
            .chain(requires.iter().flat_map(|requires| requires.iter()))
        {
            let written = self.need(place, *item, conditions)?;
            needs.extend_from_slice(&place.written[*item][written].1);
        }
        if let Some(typed) = solved.typed_by(jump_index).filter(|typed| *typed != visit) {
            let (tree, group) = self.visit(place, typed, None, conditions)?;
            self.trees[tree.0 as usize].typename = true;
            needs.push(Need::Group(group));
        }
        let slot = self
            .search
            .slot(&solved, visit)
            .ok_or(PlanError::Internal("a jump has no slot"))?;
        let (tree, group) = if jump.kind.is_none() {
            self.root_visit(place, slot, jump.target)
        } else {
            let representation = self.representation(place, jump_index, requires.unwrap_or_default());
            self.entity_visit(place, slot, jump_index, representation)
        };
        for need in needs {
            match need {
                Need::Group(needed) if needed != group => {
                    self.groups[group].needs.insert(needed);
                }
                Need::Group(_) => {}
                Need::Pending(index) => place.writing.waits.push((group, index)),
            }
        }
        Ok((tree, group))
    }

    fn root_visit(&mut self, place: &Place<'_>, slot: Slot, node: NodeId) -> WrittenAt {
        let known = (self.part_begin..self.groups.len()).find(|index| {
            let group = &self.groups[*index];
            let root = group.root.as_ref();
            group.slot == slot && root.is_some_and(|root| root.path == place.position.path)
        });
        if let Some(group) = known
            && let Some(root) = &self.groups[group].root
        {
            return (root.tree, group);
        }
        let tree = self.add_tree(&self.search.sets.no_conditions());
        self.groups.push(Group {
            slot,
            root: Some(RootTarget {
                node,
                path: place.position.path,
                tree,
            }),
            entries: Vec::new(),
            needs: GroupSet::default(),
            reasons: Vec::new(),
        });
        (tree, self.groups.len() - 1)
    }

    fn entity_visit(
        &mut self,
        place: &Place<'_>,
        slot: Slot,
        jump: usize,
        representation: Representation,
    ) -> WrittenAt {
        let group = *self.entity_groups.entry(slot).or_insert_with(|| {
            self.groups.push(Group {
                slot,
                root: None,
                entries: Vec::new(),
                needs: GroupSet::default(),
                reasons: Vec::new(),
            });
            self.groups.len() - 1
        });
        let entries = &mut self.groups[group].entries;
        let here = self.entries.entry((group, place.position.path)).or_default();
        let fits = |index: &usize| add_representation(&mut entries[*index].representations, &representation);
        let known = here.iter().copied().find(fits);
        let entry_index = known.unwrap_or_else(|| {
            here.push(entries.len());
            self.sharing.entries.push((group, entries.len()));
            entries.push(Entry {
                path: place.position.path,
                objects: None,
                interfaces: Vec::new(),
                representations: self.representations.alone(representation),
                contexts: Vec::new(),
                last_visit: 0,
            });
            entries.len() - 1
        });
        self.sharing.visits += 1;
        entries[entry_index].last_visit = self.sharing.visits;
        let base = self.search.sets.no_conditions();
        let jump = &place.solved.universe.jumps[jump];
        let entry = &self.groups[group].entries[entry_index];
        let known = match jump.kind {
            Some(KeyEdgeKind::Object) | None => entry.objects,
            Some(_) => entry
                .interfaces
                .iter()
                .find(|(node, _)| *node == jump.target)
                .map(|(_, tree)| *tree),
        };
        let tree = match known {
            Some(tree) => self.own(tree),
            None => self.add_tree(&base),
        };
        let entry = &mut self.groups[group].entries[entry_index];
        match jump.kind {
            Some(KeyEdgeKind::Object) | None => entry.objects = Some(tree),
            Some(_) if known.is_none() => {
                entry.interfaces.push((jump.target, tree));
                self.mix();
            }
            Some(_) => {}
        }
        (tree, group)
    }
}
