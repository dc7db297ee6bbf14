"""What is true of a synthetic patient, from how it was constructed: no voxel of any image is read here."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from spinemet.case import Role
from spinemet.image import Grid
from spinemet.levels import Level
from spinemet.phantom.costal import rib_joint
from spinemet.phantom.dimensions import VERSE
from spinemet.phantom.lesion import PART_INDEX, LesionShape, Samples, sample_bone
from spinemet.phantom.model import Model, Posture
from spinemet.phantom.shape import COLUMNS, VertebraShape
from spinemet.phantom.solids import Array
from spinemet.phantom.spec import AnswerSpec
from spinemet.phantom.stack import fitted_plate

PLANES = {"left": -0.25, "mid": 0.0, "right": 0.25}
"""Sagittal planes of the heights, as a fraction of the body's width."""

INVOLVED_SHARE = 0.15
"""A posterolateral part counts as involved from this share of its volume."""

_POINTS = {
    "location": {"junctional": 3, "mobile": 2, "semirigid": 1, "rigid": 0},
    "pain": {"mechanical": 3, "occasional": 1, "none": 0},
    "bone_lesion": {"lytic": 2, "mixed": 1, "blastic": 0},
    "alignment": {"subluxation": 4, "de novo deformity": 2, "normal": 0, "degenerative / old": 0},
    "collapse": {">50 %": 3, "<50 %": 2, ">50 % of body involved": 1, "none": 0},
    "posterolateral": {"bilateral": 3, "unilateral": 1, "none": 0},
}
"""The phantom's own copy of SINS (Fisher 2010), so that it can disagree with the software under test."""

_LOCATION = {
    **dict.fromkeys((Level.T8, Level.T9, Level.T10), "semirigid"),
    **dict.fromkeys((Level.T11, Level.T12, Level.L1, Level.L5, Level.S1), "junctional"),
    **dict.fromkeys((Level.L2, Level.L3, Level.L4), "mobile"),
}

FINE_MM = 0.6
"""Step of the points that volumes are summed over."""


def make_truth(model: Model, grids: Mapping[Role, Grid]) -> dict[str, Any]:
    """Everything known by construction, as plain JSON values; keys and units are said in `conventions`."""
    spec = model.spec
    levels = {str(level): _level(model, level, grids) for level in model.levels}
    return {
        "conventions": {
            "frame": "RAS millimeters of the CT unless a key says MR; matrices are row by row",
            "heights": "between the endplates along the bisector of both endplates' normals, at 90, 50 and 10 % of "
            "the depth from the posterior wall, mid-sagittal and at 25 % of the width to the left and right",
            "loss": "percent of the intact height of the same vertebra",
            "share": "percent of the volume of the part",
            "angles": "degrees; kyphosis positive, lordosis negative",
        },
        "seed": spec.seed,
        "levels": levels,
        "angles": _angles(model),
        "lesions": {f"lesion-{item.number}": levels[str(level)]["lesion"] for level, item in model.lesions.items()},
        "sins": {str(level): _sins(model, level, levels[str(level)]) for level in model.lesions},
        "listhesis": {str(item.level): {"slip_mm": item.slip_mm} for item in spec.listhesis},
        "posture": {"ct_to_mr": {str(level): _rounded(model.ct_to_mr(level), 6) for level in model.levels}},
        "images": {
            role.value: {"shape_kji": list(grid.shape), "ijk_to_ras": _rounded(grid.ijk_to_ras, 6)}
            for role, grid in grids.items()
        },
    }


def make_answers(model: Model) -> dict[str, Any]:
    """What the patient and the reader say, in the form of answers.json."""
    return {
        "levels_confirmed": True,
        "levels": {
            str(level): {"pain": answer.pain, "alignment": answer.alignment}
            for level in model.lesions
            for answer in (model.spec.answer(level),)
        },
    }


def own_frame(shape: VertebraShape) -> tuple[Array, Array]:
    """Rotation (rows right, anterior, superior) and origin of the measured frame, in the frame of construction."""
    _top, up = fitted_plate(shape, superior=True)
    _bottom, down = fitted_plate(shape, superior=False)
    superior = up + down
    superior = superior / np.linalg.norm(superior)
    anterior = np.array([0.0, 1.0, 0.0]) - superior * superior[1]
    anterior = anterior / np.linalg.norm(anterior)
    middle = shape.anterior_at(0.5)
    z_top, z_bottom = (float(z) for z in shape.plates(np.array(0.0), np.array(middle)))
    return np.array([np.cross(anterior, superior), anterior, superior]), np.array(
        [0.0, middle, (z_top + z_bottom) / 2]
    )


def heights(shape: VertebraShape) -> dict[str, dict[str, tuple[float, Array, Array]]]:
    """Height in mm, and its upper and lower point in the frame of construction, by plane and column.

    Rays along the own superior axis through the columns are cut with the height fields of both endplates.
    """
    axes, origin = own_frame(shape)
    names = [(plane, column) for plane in PLANES for column in COLUMNS]
    local = np.array([(PLANES[p] * shape.size.width, (COLUMNS[c] - 0.5) * shape.depth, 0.0) for p, c in names])
    start = local @ axes + origin
    top, bottom = (_hit(shape, start, axes[2], which) for which in (0, 1))
    result: dict[str, dict[str, tuple[float, Array, Array]]] = {plane: {} for plane in PLANES}
    for n, (plane, column) in enumerate(names):
        result[plane][column] = (float((top[n] - bottom[n]) @ axes[2]), top[n], bottom[n])
    return result


def _hit(shape: VertebraShape, start: Array, direction: Array, which: int) -> Array:
    """Where rays nearly parallel to the superior axis meet an endplate; fixed-point steps converge at once."""
    points = start
    for _ in range(8):
        z = shape.plates(points[:, 0], points[:, 1])[which]
        points = start + direction * ((z - start[:, 2]) / direction[2])[:, None]
    return points


def _level(model: Model, level: Level, grids: Mapping[Role, Grid]) -> dict[str, Any]:
    shape, pose = model.shapes[level], model.ct.poses[level]
    axes, origin = own_frame(shape)
    world = axes @ pose[:3, :3].T
    measured, intact = heights(shape), heights(shape.intact)
    samples = sample_bone(shape, FINE_MM)
    body = samples.part == 0
    normals = [fitted_plate(shape, superior)[1] @ pose[:3, :3].T for superior in (True, False)]
    table = {
        "verse_label": VERSE[level],
        "frame": {
            "origin": _rounded(_to_ras(pose, origin)),
            "right": _rounded(world[0], 6),
            "anterior": _rounded(world[1], 6),
            "superior": _rounded(world[2], 6),
        },
        "heights_mm": {plane: {c: round(h[0], 3) for c, h in row.items()} for plane, row in measured.items()},
        "intact_heights_mm": {plane: {c: round(h[0], 3) for c, h in row.items()} for plane, row in intact.items()},
        "height_points_ras": {
            plane: {column: [_rounded(_to_ras(pose, point)) for point in found[1:]] for column, found in row.items()}
            for plane, row in measured.items()
        },
        "height_loss_percent": {
            plane: {column: round(100 * (1 - row[column][0] / intact[plane][column][0]), 2) for column in COLUMNS}
            for plane, row in measured.items()
        },
        "constructed_loss_percent": _constructed(shape),
        "body_width_mm": round(shape.size.width, 3),
        "body_depth_mm": round(shape.depth, 3),
        "body_volume_ml": round(float(body.sum()) * samples.volume / 1000, 4),
        "bone_volume_ml": round(len(samples.x) * samples.volume / 1000, 4),
        "bone_centroid_ras": _rounded(_to_ras(pose, _center(samples.x, samples.y, samples.z))),
        "endplate_normals": {"superior": _rounded(normals[0], 6), "inferior": _rounded(normals[1], 6)},
        "canal_center": _rounded(_to_ras(pose, np.array(shape.canal_center))),
        "ct_to_mr": _rounded(model.ct_to_mr(level), 6),
        "in_view_percent": {role.value: _in_view(model, level, role, grid, samples) for role, grid in grids.items()},
        "body_in_view_percent": {
            role.value: _in_view(model, level, role, grid, samples, body) for role, grid in grids.items()
        },
    }  # fmt: skip
    table["cut_by_fov"] = {role: share < 100 for role, share in table["in_view_percent"].items()}
    lesion = model.lesions.get(level)
    if lesion is not None:
        table["lesion"] = _lesion(model, level, lesion, samples)
    escc = next((item.grade for item in model.spec.epidural if item.level is level), None)
    table["escc"] = escc if escc is not None else "0"
    table["epidural"] = {name: round(value, 3) for name, value in model.ct.canal.built.get(level, {}).items()}
    return table


def _constructed(shape: VertebraShape) -> dict[str, float]:
    if shape.collapse is None:
        return dict.fromkeys(COLUMNS, 0.0)
    return {column: round(100 * float(getattr(shape.collapse, column)), 2) for column in COLUMNS}


def _lesion(model: Model, level: Level, lesion: LesionShape, samples: Samples) -> dict[str, Any]:
    inside = samples.inside(lesion)
    if not inside.any():
        raise ValueError(f"the lesion at {level} has no volume")
    shares = {}
    for name, index in PART_INDEX.items():
        chosen = samples.part == index
        shares[name] = round(100 * float(inside[chosen].mean()), 2) if chosen.any() else 0.0
    joints = lesion_in_joints(model.shapes[level], samples, inside)
    x, y, z = samples.x[inside], samples.y[inside], samples.z[inside]
    blastic = float((lesion.blastic(x, y, z) >= 0.5).mean())
    involved = [name for name, share in shares.items() if share >= 100 * INVOLVED_SHARE]
    sides = [
        side
        for side in ("left", "right")
        if any(f"{part}_{side}" in involved for part in ("pedicle", "facet"))
        or joints.get(side, 0.0) >= 100 * INVOLVED_SHARE
    ]
    return {
        "id": f"lesion-{lesion.number}",
        "label": lesion.number,
        "level": str(level),
        "kind": lesion.spec.kind,
        "bone_volume_ml": round(float(inside.sum()) * samples.volume / 1000, 4),
        "epidural_volume_ml": round(_epidural_volume(model.ct, level), 4),
        "center_ras": _rounded(_to_ras(model.ct.poses[level], _center(x, y, z))),
        "body_share_percent": shares["body"],
        "part_shares_percent": shares,
        "costovertebral_shares_percent": joints,
        "parts_involved": involved,
        "posterolateral_sides": sides,
        "lytic_share_percent": round(100 * (1 - blastic), 2),
        "blastic_share_percent": round(100 * blastic, 2),
    }


def lesion_in_joints(shape: VertebraShape, samples: Samples, inside: Array) -> dict[str, float]:
    """Lesion share (%) of the bone under the rib's joints by side; empty at levels without ribs."""
    found = {side: rib_joint(shape, samples, side) for side in ("left", "right")}
    return {side: round(100 * float(inside[joint].mean()), 2) for side, joint in found.items() if joint.any()}


def _epidural_volume(posture: Posture, level: Level, step: float = 0.5) -> float:
    """Volume (mL) of the tumor in the canal."""
    if level not in posture.canal.tumor_spans:
        return 0.0
    low, high = posture.canal.tumor_spans[level]
    cx, cy, _ = posture.canal.center((low + high) / 2)
    axes = [np.arange(a, b, step, dtype=np.float32) for a, b in ((cx - 20, cx + 20), (cy - 20, cy + 20), (low, high))]
    x, y, z = (a.ravel() for a in np.meshgrid(*axes, indexing="ij"))
    return float((posture.canal.sections(x, y, z).tumor < 0).sum()) * step**3 / 1000


def _in_view(
    model: Model, level: Level, role: Role, grid: Grid, samples: Samples, chosen: Array | None = None
) -> float:
    pose = (model.mr if role.is_mr else model.ct).poses[level]
    matrix = (grid.ras_to_ijk @ pose).astype(np.float32)
    x, y, z = (axis if chosen is None else axis[chosen] for axis in (samples.x, samples.y, samples.z))
    seen = np.ones(len(x), bool)
    for row, size in zip(matrix[:3], grid.shape[::-1], strict=True):
        index = row[0] * x + row[1] * y + row[2] * z + row[3]
        seen &= (index >= -0.5) & (index <= size - 0.5)
    return 100.0 if bool(seen.all()) else min(99.99, round(100 * float(seen.mean()), 2))


def _angles(model: Model) -> dict[str, Any]:
    levels = model.levels
    table: dict[str, Any] = {"segmental_kyphosis": {}, "supine": True}
    for above, below in itertools.pairwise(levels):
        table["segmental_kyphosis"][f"{above}/{below}"] = round(_sagittal(model, above, True, below, False), 3)
    if Level.L1 in levels and Level.S1 in levels:
        table["lordosis_L1_S1"] = round(_sagittal(model, Level.L1, True, Level.S1, True), 3)
    table["wedge"] = {str(level): round(_sagittal(model, level, True, level, False), 3) for level in levels}
    tilts = {level: _coronal_tilt(model, level) for level in levels if level is not Level.S1}
    low, high = min(tilts, key=lambda item: tilts[item]), max(tilts, key=lambda item: tilts[item])
    first, last = sorted((low, high), key=lambda item: item.order)
    table["coronal_cobb"] = {"angle": round(tilts[high] - tilts[low], 3), "upper": str(first), "lower": str(last)}
    if Level.S1 in levels:
        normal = _normal(model, Level.S1, True)
        table["sacral_slope_supine"] = round(float(np.degrees(np.arctan2(normal[1], normal[2]))), 3)
    return table


def _normal(model: Model, level: Level, superior: bool) -> Array:
    return np.asarray(fitted_plate(model.shapes[level], superior)[1] @ model.ct.poses[level][:3, :3].T)


def _sagittal(model: Model, above: Level, above_superior: bool, below: Level, below_superior: bool) -> float:
    """Angle between two plates in the sagittal plane of the pair; kyphosis positive."""
    right = model.ct.poses[above][:3, 0] + model.ct.poses[below][:3, 0]
    right = right / np.linalg.norm(right)
    upper, lower = _normal(model, above, above_superior), _normal(model, below, below_superior)
    upper, lower = upper - right * (upper @ right), lower - right * (lower @ right)
    # A turn about the right axis tips the front up; the upper plate leaning forward is kyphosis.
    return -float(np.degrees(np.arctan2(np.cross(lower, upper) @ right, lower @ upper)))


def _coronal_tilt(model: Model, level: Level) -> float:
    up = model.ct.poses[level][:3, 2]
    return float(np.degrees(np.arctan2(up[0], up[2])))


def _sins(model: Model, level: Level, table: Mapping[str, Any]) -> dict[str, Any]:
    """The six components by construction; alignment and pain as answered."""
    answer: AnswerSpec = model.spec.answer(level)
    lesion = table["lesion"]
    sides = len(lesion["posterolateral_sides"])
    labels = {
        "location": _LOCATION[level],
        "pain": answer.pain,
        "bone_lesion": lesion["kind"],
        "alignment": answer.alignment,
        "collapse": _collapse(table),
        "posterolateral": ("none", "unilateral", "bilateral")[sides],
    }
    points = {name: _POINTS[name][label] for name, label in labels.items()}
    total = sum(points.values())
    category = "stable" if total <= 6 else "potentially unstable" if total <= 12 else "unstable"
    return {
        "components": {name: {"label": labels[name], "points": points[name]} for name in labels},
        "total": total,
        "category": category,
    }


def _collapse(table: Mapping[str, Any]) -> str:
    worst = max(max(row.values()) for row in table["height_loss_percent"].values())
    if worst > 50:
        return ">50 %"
    if worst >= 20:
        return "<50 %"
    return ">50 % of body involved" if table["lesion"]["body_share_percent"] > 50 else "none"


def _center(x: Array, y: Array, z: Array) -> Array:
    return np.array([axis.mean(dtype=float) for axis in (x, y, z)])


def _to_ras(pose: Array, point: Array) -> Array:
    return np.asarray(pose[:3, :3] @ point + pose[:3, 3])


def _rounded(values: Array, digits: int = 4) -> Any:
    # Adding zero turns -0.0 into 0.0, so that the file is the same on every machine.
    return (np.round(np.asarray(values, dtype=float), digits) + 0.0).tolist()
