"""A grid that heals itself: which cheapest sound action is due, and how it is done safely.

health          `CellHealth` and `Attempt`: what is known of a cell
ladder          which action a cell's trouble allows, cheapest first
past            what past attempts mean: failures in a row, rest, refuted copies
policy          `plan_healing`: pure; budgets and order
plan            `HealPlan`: steps, what waits, what needs a person
restoring       `restore`: a cell's file made whole beside its place, then swapped in
local_copies    `good_copies`: where the bytes may be had, this machine first
work_file, mending, swapping    what `restore` works on, how it is mended, how it is swapped in
aside           where damaged originals are kept, and for how long
salvaging       `salvage_first`: intact rows saved for the next collection
"""
