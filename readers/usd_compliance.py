"""Prints what UsdUtils.ComplianceChecker, gone from newer releases, says of files, as JSON.

python usd_compliance.py FILE...
"""

import json
import sys

from pxr import UsdUtils


def complaints(path: str, *, arkit: bool) -> list[str]:
    checker = UsdUtils.ComplianceChecker(
        arkit=arkit,
        skipARKitRootLayerCheck=False,
        rootPackageOnly=False,
        skipVariants=False,
        verbose=False,
    )
    checker.CheckCompliance(path)
    return [*checker.GetErrors(), *checker.GetFailedChecks(), *checker.GetWarnings()]


found = {
    path: {rules: complaints(path, arkit=rules == "arkit") for rules in ("base", "arkit")}
    for path in sys.argv[1:]
}
print(json.dumps(found))
