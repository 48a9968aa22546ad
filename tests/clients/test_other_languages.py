"""Clients from npm and Debian, unchanged: `make clients` installs them into build/clients and runs these tests."""

import os
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests import drawn
from tests.served import Served, serving

pytestmark = pytest.mark.clients

INSTALLED = Path(__file__).parents[2] / "build/clients/node_modules"
PICTURE = drawn.encoded(drawn.noise(50, 40), "PNG")

NODE = {
    "axios with form-data": """
const axios = require('axios'), FormData = require('form-data')
const form = new FormData()
form.append('key', key)
form.append('source', fs.createReadStream(path))
const { data } = await axios.post(base + '/api/1/upload', form, { headers: form.getHeaders() })
return data.image.url
""",
    "axios with a Blob": """
const axios = require('axios')
const form = new FormData()
form.append('source', new Blob([fs.readFileSync(path)], { type: 'image/png' }), 'x.png')
const { data } = await axios.post(base + '/api/1/upload', form, { headers: { 'X-API-Key': key } })
return data.image.url
""",
    "fetch": """
const form = new FormData()
form.append('source', new File([fs.readFileSync(path)], 'Mein Foto.png'))
const answer = await fetch(base + '/api/1/upload', { method: 'POST', body: form, headers: { Authorization: key } })
return (await answer.json()).image.url
""",
    "imgbb-uploader, a file": """
const upload = require('imgbb-uploader')
const answer = await upload({ apiKey: key, cheveretoHost: base, imagePath: path, name: 'my picture' })
return (answer.image || answer).url
""",
    "imgbb-uploader, base64": """
const base64string = fs.readFileSync(path).toString('base64')
const answer = await require('imgbb-uploader')({ apiKey: key, cheveretoHost: base, base64string })
return (answer.image || answer).url
""",
    "picgo with web-uploader": """
const { PicGo } = require('picgo')
const picgo = new PicGo(folder + '/picgo.json')
picgo.use(require('picgo-plugin-web-uploader'), 'web-uploader')
picgo.setConfig({ 'picBed.uploader': 'web-uploader', 'picBed.current': 'web-uploader', 'picBed.web-uploader': {
  url: base + '/api/1/upload', paramName: 'source', jsonPath: 'image.url', customBody: JSON.stringify({ key })
} })
const [uploaded] = await picgo.upload([path])
return uploaded.imgUrl
""",
    "twikoo-func": """
const { uploadImage } = require('twikoo-func/utils/image')
const photo = 'data:image/png;base64,' + fs.readFileSync(path).toString('base64')
const config = { IMAGE_CDN: 'chevereto', IMAGE_CDN_URL: base, IMAGE_CDN_TOKEN: key }
const answer = await uploadImage({ photo, fileName: 'Mein Foto.png' }, config)
if (answer.err) throw new Error(answer.err)
return answer.data.url
""",
}

PHP = """
[, $base, $key, $path] = $argv;
$request = curl_init("$base/api/1/upload");
curl_setopt_array($request, [
    CURLOPT_RETURNTRANSFER => true,
    CURLOPT_HTTPHEADER => ["X-API-Key: $key"],
    CURLOPT_POSTFIELDS => ["source" => new CURLFile($path), "title" => "Grüße"],
]);
$answer = json_decode(curl_exec($request), true);
echo $answer["image"]["title"] === "Grüße" ? $answer["image"]["url"] : json_encode($answer);
"""

PHP_BASE64 = """
[, $base, $key, $path] = $argv;
$body = http_build_query(["key" => $key, "source" => base64_encode(file_get_contents($path))]);
$options = ["method" => "POST", "header" => "Content-Type: application/x-www-form-urlencoded", "content" => $body];
$answer = file_get_contents("$base/api/1/upload", false, stream_context_create(["http" => $options]));
echo json_decode($answer, true)["image"]["url"];
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    folder = tmp_path_factory.mktemp("other-languages")
    (folder / "Mein Foto.png").write_bytes(PICTURE)
    with serving(folder) as server:
        yield server


def run(served: Served, command: list[str]) -> None:
    """Runs *command* with address, key, a picture and a folder. It prints the address of the uploaded picture."""
    base = f"http://127.0.0.1:{served.port}"
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    ran = subprocess.run(
        [*command, base, served.key, str(served.folder / "Mein Foto.png"), str(served.folder)],
        env=environ | {"NODE_PATH": str(INSTALLED), "HOME": str(served.folder)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    *_, url = ran.stdout.strip().splitlines()
    assert served.request("GET", urlsplit(url).path) == (200, PICTURE), ran.stdout


@pytest.mark.parametrize("client", NODE)
def test_clients_from_npm(served: Served, client: str) -> None:
    assert INSTALLED.is_dir(), "`make clients` installs them"
    script = (
        "const fs = require('fs'); const [base, key, path, folder] = process.argv.slice(1);"
        f"(async () => {{ {NODE[client]} }})().then((url) => {{ console.log('\\n' + url); process.exit(0) }},"
        "(error) => { console.error(error.response ? error.response.data : error); process.exit(1) })"
    )
    run(served, ["node", "-e", script, "--"])


@pytest.mark.parametrize("script", [PHP, PHP_BASE64], ids=["curl", "streams"])
def test_php(served: Served, script: str) -> None:
    assert shutil.which("php"), "`make clients` installs it"
    run(served, ["php", "-r", script, "--"])
