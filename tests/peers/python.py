"""The vendor's Python client against the simulator: `python.py SIMULATOR FOLDER`. See `python` beside this file."""

import asyncio
import json
import logging
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from imagen_sdk import (
    AuthenticationError,
    CropAspectRatio,
    DNGCompression,
    EditOptions,
    I2IEditOptions,
    ImagenClient,
    ImagenError,
    PhotographyType,
    ProjectError,
    ProjectSource,
    UploadError,
    get_profile,
    quick_edit,
)

MIB = 1024 * 1024


def show(what):
    print(f"ok: {what}", flush=True)


def expect(condition, what):
    """Shows what holds, or ends."""
    if not condition:
        sys.exit(f"WRONG: {what}")
    show(what)


async def expect_error(call, kind, text):
    """Shows that a call fails like this, or ends."""
    try:
        await call
    except kind as error:
        expect(text in str(error), f"{kind.__name__}: {text}")
    else:
        sys.exit(f"WRONG: no {kind.__name__} with {text!r}")


class Simulator:
    """The program, while it runs."""

    def __init__(self, program):
        self.process = subprocess.Popen([program, "--port", "0", "--callbacks"], stdout=subprocess.PIPE, text=True)
        self.values = {}
        for line in self.process.stdout:
            name, _, value = line.strip().partition("=")
            self.values[name] = value
            if name == "PROFILE_KEY":
                return
        sys.exit("WRONG: the simulator has ended")

    def __getitem__(self, name):
        return self.values[name]

    def client(self):
        return ImagenClient(self["IMAGEN_API_KEY"], self["IMAGEN_BASE_URL"])


class Receiver:
    """Takes one callback."""

    def __init__(self):
        received = self.received = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                length = int(self.headers["Content-Length"])
                received.append((self.path, json.loads(self.rfile.read(length))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        # A call that never comes must not hold the script up for ever.
        self.server.timeout = 60
        self.thread = threading.Thread(target=self.server.handle_request)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/done/token"

    def wait(self):
        self.thread.join()
        self.server.server_close()
        return self.received[0]


def photos(folder, names, content=b"photo of "):
    """Makes photos. Returns their paths."""
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(content + name.encode())
    return [folder / name for name in names]


def large_photo(path, size):
    with open(path, "wb") as file:
        file.write(b"the beginning")
        file.truncate(size)
    return path


def is_jpeg(path):
    return Path(path).read_bytes()[:2] == b"\xff\xd8"


def names(paths):
    return sorted(Path(path).name for path in paths)


async def the_account(simulator):
    async with simulator.client() as client:
        profiles = await client.get_profiles()
        expect([p.profile_key for p in profiles] == [5700, 5701], "get_profiles lists 5700 and 5701")
        templates = await client.get_sky_replacement_templates()
        expect(templates[0].is_default, "get_sky_replacement_templates has a default")
        listed = await client.list_projects(size=2)
        expect(len(listed.projects) == 2 and listed.pagination.total == 4, "list_projects gives a page of two, of four")
        listed = await client.list_i2i_projects()
        expect([p.name for p in listed.projects] == ["Harbour loft"], "list_i2i_projects gives the Smart Editing one")
        expect(await client.get_project_uuid("12 Elm Street") == simulator["PROFILE_BASED_PROJECT"], "get_project_uuid finds a name")
        project = await client.get_project(simulator["PROFILE_BASED_PROJECT"])
        expect(project.status == "Completed" and project.number_of_images == 3, "get_project describes it")
    profile = await get_profile(simulator["IMAGEN_API_KEY"], 5701, simulator["IMAGEN_BASE_URL"])
    expect(profile.image_type == "JPG", "get_profile finds 5701, for JPEG")


async def a_profile_based_project(simulator, folder):
    async with simulator.client() as client:
        project = await client.create_project("Smith wedding")
        show("create_project")
        paths = photos(folder / "raw", ["DSC 1.NEF", "DSC_2.NEF", "DSC_3.dng"])
        uploaded = await client.upload_images(project, paths, calculate_md5=True)
        expect((uploaded.successful, uploaded.failed) == (3, 0), "upload_images uploads three RAW files")

        options = EditOptions(
            crop=True,
            straighten=True,
            hdr_merge=True,
            sky_replacement=True,
            sky_replacement_template_id=2,
            crop_aspect_ratio=CropAspectRatio.RATIO_2X3.value,
            hdr_output_compression=DNGCompression.LOSSY,
        )
        done = await client.start_editing(project, 5700, PhotographyType.WEDDING, options)
        expect(done.status == "Completed", "start_editing with options ends as Completed")
        tools = (await client.get_project(project)).ai_tools
        expect(tools == ["crop", "straighten", "hdr_merge", "sky_replacement"], "get_project tells the options")
        sidecars = await client.download_files(await client.get_download_links(project), folder / "sidecars")
        expect(names(sidecars) == ["DSC 1.xmp", "DSC_2.xmp", "DSC_3.dng"], "get_download_links gives XMP files and DNGs")

        await expect_error(client.get_export_links(project), ImagenError, "Project has not been exported yet.")
        done = await client.export_project(project)
        expect(done.status == "Completed", "export_project ends as Completed")
        images = await client.download_files(await client.get_export_links(project), folder / "images")
        expected = ["DSC 1.JPEG", "DSC_2.JPEG", "DSC_3.JPEG"]
        expect(names(images) == expected and all(map(is_jpeg, images)), "get_export_links gives three JPEGs")
        one = await client.get_export_download_link(project, "DSC 1.JPEG")
        expect(one.file_name == "DSC 1.JPEG" and "/DSC%201.JPEG?" in one.download_link, "get_export_download_link gives one")
        await copilot(client, project, "DSC 1.JPEG", ProjectSource.REGULAR, folder)


async def copilot(client, project, image, source, folder):
    kind = source.value
    tools = await client.get_ai_tools(project, source)
    expect("day_to_dusk" in [tool.enhancement_type for tool in tools.prompts], f"{kind}: get_ai_tools lists presets")
    first = await client.apply_copilot(project, image, "make the sky more blue", project_source=source)
    expect(first.status == "SUCCESS" and first.version_id == 123, f"{kind}: apply_copilot makes version 123")
    second = await client.enhance_image(project, image, "day_to_dusk", first.version_id, source)
    expect(second.version_id == 124, f"{kind}: enhance_image builds 124 on it")
    fetched = await client.download_files([second.enhanced_image_url], folder / f"{kind}-124")
    expect(is_jpeg(fetched[0]) and b"/124/" in Path(fetched[0]).read_bytes(), f"{kind}: its picture can be downloaded")
    await expect_error(
        client.apply_copilot(project, image, "add a dragon", project_source=source),
        ImagenError,
        "Only realistic editing requests are supported.",
    )
    await client.reset_copilot(project, image, source)
    await expect_error(
        client.apply_copilot(project, image, "warmer", 124, source),
        ImagenError,
        "Parent version not found.",
    )
    again = await client.apply_copilot(project, image, "warmer", project_source=source)
    expect(again.version_id == 125, f"{kind}: reset_copilot drops the versions, and the next one is 125")
    final = await client.finalize_project(project, source)
    links = {file.file_name: file.download_link for file in final.files_list}
    expect("/125/" in links[image], f"{kind}: finalize_project gives the edited image")


async def a_smart_project(simulator, folder):
    async with simulator.client() as client:
        expect(await client.validate_i2i_project_name("Loft 7"), "validate_i2i_project_name takes a free name")
        expect(not await client.validate_i2i_project_name("Harbour loft"), "validate_i2i_project_name refuses a taken one")
        project = await client.create_i2i_project("Loft 7")
        paths = photos(folder / "jpeg", ["a.jpg", "b.JPG", "c d.jpeg"])
        paths.append(large_photo(folder / "jpeg" / "large.jpg", 65 * MIB))
        uploaded = await client.upload_i2i_images(project, paths)
        expect(uploaded.successful == 4, "upload_i2i_images uploads four, one of 65 MiB in two parts")
        await expect_error(client.start_i2i_editing(project), ImagenError, "500")

        small_parts = large_photo(folder / "jpeg" / "parts.jpg", 12 * MIB)
        links = await client.upload_i2i_file_multipart(project, small_parts, part_size=5 * MIB)
        expect(len(links.parts) == 3, "upload_i2i_file_multipart uploads 12 MiB in three parts")
        await expect_error(
            client.upload_i2i_file_multipart(project, small_parts, part_size=MIB),
            UploadError,
            "Part 1 is smaller than 5242880 bytes.",
        )
        begun = await client.create_i2i_multipart_upload(project, "never.jpg", 2)
        await client.abort_i2i_multipart_upload(project, begun.upload_id, begun.key)
        await expect_error(
            client.complete_i2i_multipart_upload(project, begun.upload_id, "never.jpg"),
            ImagenError,
            "Upload not found.",
        )
        count = (await client.get_i2i_project(project)).number_of_images
        expect(count == 5, "what was aborted is not in the project")

        receiver = Receiver()
        options = I2IEditOptions(hdr_merge=True, perspective_correction=True, callback_url=receiver.url)
        started = await client.start_i2i_editing(project, options)
        expect(started.message, "start_i2i_editing says that it has begun")
        done = await client.wait_for_i2i_completion(project)
        expect(done.ai_tools == ["hdr_merge", "perspective_correction"], "wait_for_i2i_completion sees it Completed")
        path, body = receiver.wait()
        expected = {"project_uuid": project, "status": "Completed", "action": "edit"}
        expect(path == "/done/token" and body == expected, "its callback_url is called")

        images = await client.download_files(await client.get_i2i_download_links(project), folder / "smart")
        expected = ["a.JPEG", "b.JPEG", "c d.JPEG", "large.JPEG", "parts.JPEG"]
        expect(names(images) == expected and all(map(is_jpeg, images)), "get_i2i_download_links gives five JPEGs")
        one = await client.get_i2i_download_link(project, "c d.JPEG")
        expect("/c%20d.JPEG?" in one.download_link, "get_i2i_download_link gives one")
        await copilot(client, project, "c d.JPEG", ProjectSource.I2I, folder)


async def refusals(simulator):
    base_url = simulator["IMAGEN_BASE_URL"]
    async with ImagenClient("wrong", base_url) as client:
        await expect_error(client.get_profiles(), AuthenticationError, "Invalid API key")
    async with simulator.client() as client:
        await expect_error(client.create_project("Smith wedding"), ImagenError, "'Smith wedding' already exists")
        await expect_error(client.create_i2i_project("Smith wedding"), ImagenError, "'Smith wedding' already exists")
        await expect_error(client.get_project_uuid("Jones wedding"), ImagenError, "Project not found.")
        await expect_error(client.get_project("65f3"), ImagenError, "Project not found.")
        ready = simulator["PROFILE_BASED_PROJECT"]
        unknown = client.apply_copilot(ready, "DSC_0001.NEF", "brighten it", project_source=ProjectSource.REGULAR)
        await expect_error(unknown, ImagenError, "Image not found.")
        failed = simulator["FAILED_PROJECT"]
        await expect_error(client._wait_for_completion(failed, "edit"), ProjectError, "Edit failed.")
        await expect_error(client.finalize_project(failed), ImagenError, "Project has not been exported yet.")


async def everything_at_once(simulator, folder):
    result = await quick_edit(
        simulator["IMAGEN_API_KEY"],
        5701,
        photos(folder / "quick", ["q1.jpg", "q2.jpg"]),
        project_name="Quick",
        photography_type=PhotographyType.PORTRAITS,
        export=True,
        edit_options=EditOptions(portrait_crop=True, smooth_skin=True),
        download=True,
        download_dir=folder / "quick-out",
        base_url=simulator["IMAGEN_BASE_URL"],
    )
    expect(names(result.exported_files) == ["q1.JPEG", "q2.JPEG"], "quick_edit goes the whole way")


class CommandLine:
    """The vendor's command line."""

    def __init__(self, simulator, folder):
        self.simulator = simulator
        self.folder = folder
        self.program = Path(sys.executable).parent / "imagen"

    def run(self, *arguments, status=0, environment=None):
        variables = dict(os.environ)
        if environment is None:
            environment = {"IMAGEN_API_KEY": self.simulator["IMAGEN_API_KEY"]}
        variables.update(environment)
        options = ["--json", "--base-url", self.simulator["IMAGEN_BASE_URL"]]
        command = [self.program, *options, *map(str, arguments)]
        ended = subprocess.run(command, env=variables, cwd=self.folder, capture_output=True, text=True)
        if ended.returncode != status:
            sys.exit(f"WRONG: imagen {' '.join(map(str, arguments))}: {ended.returncode} {ended.stdout}{ended.stderr}")
        # An error is the last line, after what was logged.
        return json.loads(ended.stdout if status == 0 else ended.stderr.splitlines()[-1])

    def check(self):
        ready = self.simulator["PROFILE_BASED_PROJECT"]
        expect(self.run("profiles")[0]["profile_key"] == 5700, "imagen profiles")
        expect(self.run("projects", "--size", 1)["projects"][0]["project_uuid"] == ready, "imagen projects")
        expect(self.run("sky-templates")[0]["id"] == 1, "imagen sky-templates")
        expect(self.run("ai-tools", ready)["prompts"], "imagen ai-tools")
        enhanced = self.run("enhance", ready, "DSC_0001.JPEG", "--tool-id", "day_to_dusk")
        expect(enhanced["status"] == "SUCCESS", "imagen enhance")
        parent = enhanced["version_id"]
        enhanced = self.run("enhance", ready, "DSC_0001.JPEG", "--tool-id", "day_to_dusk", "--parent-version-id", parent)
        expect(enhanced["version_id"] == parent + 1, "imagen enhance --parent-version-id")

        unknown = self.run("enhance", ready, "DSC_0001.NEF", "--tool-id", "day_to_dusk", status=1)
        expect("Image not found." in unknown["message"], "imagen enhance with a name that is not there ends with 1")

        photos(self.folder / "cli-raw", ["c1.CR3", "c2.CR3"])
        options = ["--profile", 5700, "--type", "wedding", "--name", "By command line", "--export", "--crop"]
        edited = self.run("edit", "cli-raw", *options, "--out", "cli-out")
        expect(names(edited["exported_files"]) == ["c1.JPEG", "c2.JPEG"], "imagen edit --export")
        photos(self.folder / "cli-jpeg", [f"s{number}.jpg" for number in range(5)])
        edited = self.run("i2i", "cli-jpeg", "--name", "Smart by command line", "--out", "cli-smart", "--hdr-merge")
        expect(len(edited["downloaded_files"]) == 5, "imagen i2i")

        taken = self.run("edit", "cli-raw", *options, status=1)
        expect("already exists" in taken["message"], "imagen edit with a name that is taken ends with 1")
        wrong = self.run("profiles", status=2, environment={"IMAGEN_API_KEY": "wrong"})
        expect(wrong["error"] == "authentication", "imagen with a wrong key ends with 2")
        stored = self.run("config", "--api-key", self.simulator["IMAGEN_API_KEY"], "--profile", 5701)
        expect(stored == {"api_key": "***set***", "profile": 5701}, "imagen config stores a key")
        expect(self.run("profiles", environment={"IMAGEN_API_KEY": ""}), "imagen uses the key that is stored")
        expect(self.run("skill")["content"], "imagen skill")


async def by_library(simulator, folder):
    await the_account(simulator)
    await a_profile_based_project(simulator, folder)
    await a_smart_project(simulator, folder)
    await everything_at_once(simulator, folder)
    await refusals(simulator)


def main():
    program, folder = sys.argv[1], Path(sys.argv[2])
    # Calls that are meant to fail are logged, too.
    logging.disable()
    simulator = Simulator(program)
    try:
        asyncio.run(by_library(simulator, folder))
        CommandLine(simulator, folder).check()
    finally:
        simulator.process.kill()
        simulator.process.wait()
    print("the vendor's Python client works against the simulator")


main()
