"""The vendor's Python SDK against the gRPC port of the service."""
import os
from yandex_ai_studio_sdk import AIStudio
from yandex_ai_studio_sdk.auth import NoAuth

address = os.environ["SERVICE"]
sdk = AIStudio(
    folder_id="folder",
    auth=NoAuth(),
    endpoint=None,
    service_map={"ai-foundation-models": address, "operation": address},
    verify=False,
)
model = sdk.models.image_generation("yandex-art").configure(seed=7, width_ratio=1, height_ratio=1)
operation = model.run_deferred("a red cat")
print("operation", operation.id, operation.get_status())
result = operation.wait(timeout=60, poll_interval=0.3)
data = result.image_bytes
assert data[:3] == b"\xff\xd8\xff", data[:8]
print(f"a JPEG of {len(data)} bytes, model version {result.model_version}")
try:
    model.run_deferred("x" * 20_000).wait(timeout=30, poll_interval=0.3)
    raise SystemExit("a prompt that is too long was accepted")
except Exception as error:
    print("refused:", type(error).__name__, str(getattr(error, "details", lambda: error)())[:120])
