"""Programs with one operator, comparison or constant changed; some of them are still right."""

from __future__ import annotations

import ast
from random import Random

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
}


def mutants(program: str, rng: Random, most: int) -> list[str]:
    """Up to `most` programs, each with one change at a place drawn by `rng`."""
    counter = _Mutation(at=-1)
    counter.visit(ast.parse(program))
    places = list(range(counter.n_places))
    rng.shuffle(places)
    return [ast.unparse(_Mutation(at).visit(ast.parse(program))) for at in places[:most]]


class _Mutation(ast.NodeTransformer):
    """Changes the place of number `at`, in the order of the walk; counts all of them."""

    def __init__(self, at: int) -> None:
        self.n_places = 0
        self._at = at

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if self._is_here():
            node.ops[0] = _COMPARISONS[type(node.ops[0])]()
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if self._is_here():
            node.op = _OPERATORS.get(type(node.op), ast.Add)()
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, bool):
            changed = ast.Constant(not node.value)
        elif isinstance(node.value, int | float):
            changed = ast.Constant(node.value + 1)
        else:
            return node
        return changed if self._is_here() else node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        self.generic_visit(node)
        if node.value is not None and self._is_here():
            node.value = ast.List([node.value], ast.Load())
        return node

    def _is_here(self) -> bool:
        self.n_places += 1
        return self.n_places - 1 == self._at
