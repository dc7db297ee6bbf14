"""How the vertebrae stand to each other: angles, slips, curves, pelvis."""
