"""The openai client for Python against a gateway: sync, async, stream, and a refusal."""
import asyncio, base64, os, sys
import openai

base_url, model = f"{os.environ['ORIGIN']}/v1", "yandex-art"
options = dict(base_url=base_url, api_key="igk_none")


def check(name, text):
    data = base64.b64decode(text or "")
    assert data[:3] == b"\xff\xd8\xff" and data[-2:] == b"\xff\xd9", name
    print(f"{name}: a JPEG of {len(data)} bytes")


client = openai.OpenAI(**options)
print("models:", [m.id for m in client.models.list()])
check("sync", client.images.generate(model=model, prompt="a red cat").data[0].b64_json)


async def later():
    async with openai.AsyncOpenAI(**options) as aclient:
        both = await asyncio.gather(*(aclient.images.generate(model=model, prompt=f"a cat {i}") for i in (1, 2)))
        for image in both:
            check("async", image.data[0].b64_json)


asyncio.run(later())
for event in client.images.generate(model=model, prompt="a red cat", stream=True):
    print("stream:", event.type)
    last = event
check("stream", last.b64_json)
try:
    client.images.generate(model=model, prompt="a <sd_cpp_extra_args>{}</sd_cpp_extra_args>")
    sys.exit("the command was not refused")
except openai.BadRequestError as error:
    print("refused:", error.code)
