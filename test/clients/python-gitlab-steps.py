"""Drives a running server with an unmodified python-gitlab: one function a step, each with a world of its own.

Usage: python3 python-gitlab-steps.py URL ROOT_TOKEN STEP. Exit code 0 when every assertion of the step held.
"""

import base64
import datetime
import secrets
import subprocess
import sys
import tempfile

import gitlab

URL, ROOT_TOKEN, STEP = sys.argv[1:4]
root = gitlab.Gitlab(URL, private_token=ROOT_TOKEN)


def name(prefix):
    return prefix + "-" + secrets.token_hex(4)


def in_days(days):
    return (datetime.datetime.utcnow().date() + datetime.timedelta(days=days)).isoformat()


def new_user():
    username = name("user")
    user = root.users.create(
        {"username": username, "name": "User", "email": username + "@example.com", "password": "a long password", "skip_confirmation": True}
    )
    token = root.users.get(user.id).personal_access_tokens.create({"name": "t", "scopes": ["api"]})
    return user, gitlab.Gitlab(URL, private_token=token.token)


def new_project(**more):
    group = root.groups.create({"name": name("group"), "path": name("group")})
    fields = {"name": name("project"), "namespace_id": group.id, "initialize_with_readme": True}
    project = root.projects.create({**fields, **more})
    return group, project


def refused(status, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except gitlab.GitlabError as error:
        assert error.response_code == status, (status, error.response_code, error.error_message)
        return error
    raise AssertionError("expected a refusal with status %d" % status)


def users():
    root.auth()
    assert root.user.username == "root"
    assert root.version()[0].split(".")[0].isdigit()
    user, own = new_user()
    own.auth()
    assert own.user.id == user.id
    assert [u.id for u in root.users.list(username=user.username)] == [user.id]
    user.name = "Renamed"
    user.save()
    assert root.users.get(user.id).name == "Renamed"
    refused(409, root.users.create, {"username": user.username, "name": "x", "email": "x@example.com", "password": "a long password"})
    refused(403, own.users.create, {"username": name("u"), "name": "x", "email": "y@example.com", "password": "a long password"})
    assert user.block()
    refused(403, own.auth)
    assert user.unblock()
    own.auth()
    user.delete()
    refused(401, own.auth)
    refused(401, gitlab.Gitlab(URL, private_token="glpat-nonsensenonsensenons").auth)


def groups_and_members():
    group = root.groups.create({"name": name("group"), "path": name("group")})
    below = root.groups.create({"name": "below", "path": "below", "parent_id": group.id})
    assert below.full_path == group.path + "/below"
    assert [g.id for g in root.groups.get(group.id).subgroups.list()] == [below.id]
    user, own = new_user()
    refused(404, own.groups.get, group.id)
    member = group.members.create({"user_id": user.id, "access_level": gitlab.const.AccessLevel.DEVELOPER})
    assert member.access_level == 30
    refused(409, group.members.create, {"user_id": user.id, "access_level": 30})
    assert own.groups.get(below.full_path).id == below.id
    assert user.id in [m.id for m in below.members_all.list()]
    assert user.id not in [m.id for m in below.members.list()]
    member.access_level = 40
    member.save()
    assert group.members.get(user.id).access_level == 40
    refused(403, own.groups.get(group.id).members.create, {"user_id": 1, "access_level": 50})
    group.members.delete(user.id)
    refused(404, own.groups.get, below.id)
    group.description = "changed"
    group.save()
    assert root.groups.get(group.id).description == "changed"
    group.delete()
    refused(404, root.groups.get, group.id)


def projects():
    group, project = new_project()
    assert project.path_with_namespace == group.path + "/" + project.path
    assert root.projects.get(project.path_with_namespace).id == project.id
    assert project.default_branch == "main"
    refused(400, root.projects.create, {"name": project.name, "namespace_id": group.id})
    refused(400, root.projects.create, {"namespace_id": group.id})
    user, own = new_user()
    refused(404, own.projects.get, project.id)
    project.members.create({"user_id": user.id, "access_level": 20})
    assert [p.id for p in own.projects.list(membership=True)] == [project.id]
    project.description = "changed"
    project.save()
    mine = own.projects.get(project.id)
    mine.description = "not by a reporter"
    refused(403, mine.save)
    old = project.path_with_namespace
    project.path = name("renamed")
    project.save()
    assert root.http_get("/projects/" + old.replace("/", "%2F"))["id"] == project.id
    assert len(list(group.projects.list(iterator=True))) == 1
    project.archive()
    assert root.projects.get(project.id).archived
    project.unarchive()
    project.delete()
    refused(404, root.projects.get, project.id)


def personal_tokens():
    user, own = new_user()
    made = root.users.get(user.id).personal_access_tokens.create({"name": "made", "scopes": ["read_user"], "expires_at": in_days(10)})
    assert made.token.startswith("glpat-") and made.scopes == ["read_user"] and made.expires_at == in_days(10)
    key = gitlab.Gitlab(URL, private_token=made.token)
    assert key.http_get("/personal_access_tokens/self")["id"] == made.id
    key.auth()
    refused(403, key.projects.list)
    assert {t.name for t in own.personal_access_tokens.list()} == {"t", "made"}
    rotated = own.http_post("/personal_access_tokens/%d/rotate" % made.id)
    assert rotated["token"] != made.token
    assert "invalid_token" in str(refused(401, key.auth))
    key = gitlab.Gitlab(URL, private_token=rotated["token"])
    key.auth()
    refused(400, own.http_post, "/personal_access_tokens/%d/rotate" % made.id)
    own.personal_access_tokens.delete(rotated["id"])
    refused(401, key.auth)
    refused(401, own.personal_access_tokens.list, user_id=1)
    refused(404, own.personal_access_tokens.delete, 1)


def impersonation_tokens():
    user, own = new_user()
    manager = root.users.get(user.id).impersonationtokens
    made = manager.create({"name": "as him", "scopes": ["api"], "expires_at": in_days(5)})
    assert made.impersonation
    gitlab.Gitlab(URL, private_token=made.token).auth()
    assert [t.id for t in manager.list(state="active")] == [made.id]
    assert made.id not in [t.id for t in own.personal_access_tokens.list()]
    refused(403, own.users.get(user.id, lazy=True).impersonationtokens.list)
    made.delete()
    refused(401, gitlab.Gitlab(URL, private_token=made.token).auth)
    assert [t.id for t in manager.list(state="inactive")] == [made.id]


def place_tokens():
    group, project = new_project()
    for place, level in ((project, 40), (group, 30)):
        made = place.access_tokens.create({"name": "bot", "scopes": ["api"], "access_level": level, "expires_at": in_days(20)})
        assert made.access_level == level and made.active
        bot = gitlab.Gitlab(URL, private_token=made.token)
        bot.auth()
        assert bot.user.id == made.user_id and "_bot_" in bot.user.username
        assert bot.projects.get(project.id).id == project.id
        assert [t.id for t in place.access_tokens.list()] == [made.id]
        assert root.http_get("%s/%d" % (place.access_tokens.path, made.id))["name"] == "bot"
        refused(400, place.access_tokens.create, {"name": "bad", "scopes": ["nonsense"]})
        other = new_project()[1]
        refused(404, bot.projects.get, other.id)
        place.access_tokens.delete(made.id)
        refused(401, bot.auth)
    user, own = new_user()
    project.members.create({"user_id": user.id, "access_level": 40})
    mine = own.projects.get(project.id)
    refused(400, mine.access_tokens.create, {"name": "too much", "scopes": ["api"], "access_level": 50})
    assert mine.access_tokens.create({"name": "fine", "scopes": ["api"], "access_level": 40}).access_level == 40


def deploy_tokens():
    group, project = new_project()
    for place in (project, group):
        made = place.deploytokens.create({"name": "puller", "username": "robot", "scopes": ["read_repository"]})
        assert made.token.startswith("gldt-") and made.username == "robot"
        assert made.id in [t.id for t in place.deploytokens.list()]
        assert made.id in [t.id for t in root.deploytokens.list(iterator=True)]
        host = URL.split("://", 1)[1]
        clone = ["git", "-c", "credential.helper=", "clone", "-q", "http://robot:%s@%s/%s.git" % (made.token, host, project.path_with_namespace)]
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(clone + [folder + "/x"], check=True, env={"PATH": "/usr/bin:/bin", "GIT_TERMINAL_PROMPT": "0"})
            made.delete()
            gone = subprocess.run(clone + [folder + "/y"], stderr=subprocess.PIPE, env={"PATH": "/usr/bin:/bin", "GIT_TERMINAL_PROMPT": "0"})
            assert gone.returncode == 128, gone
        refused(404, place.deploytokens.get, made.id)
    refused(400, project.deploytokens.create, {"name": "bad", "scopes": ["nonsense"]})


def protected_branches():
    _, project = new_project()
    assert [b.name for b in project.protectedbranches.list()] == ["main"]
    made = project.protectedbranches.create({"name": "*-stable", "push_access_level": 40, "merge_access_level": 30})
    assert project.protectedbranches.get("*-stable").push_access_levels[0]["access_level"] == 40
    refused(409, project.protectedbranches.create, {"name": "*-stable"})
    root.http_request("patch", "/projects/%d/protected_branches/*-stable" % project.id, post_data={"allow_force_push": True})
    assert project.protectedbranches.get("*-stable").allow_force_push
    made.delete()
    refused(404, project.protectedbranches.get, "*-stable")


def files():
    _, project = new_project()
    made = project.files.create({"file_path": "dir/a b.txt", "branch": "main", "content": "one\n", "commit_message": "add"})
    assert made.file_path == "dir/a b.txt"
    read = project.files.get("dir/a b.txt", ref="main")
    assert read.decode() == b"one\n"
    read.content = "two\n"
    read.save(branch="main", commit_message="change")
    assert project.files.raw("dir/a b.txt", ref="main") == b"two\n"
    refused(400, project.files.create, {"file_path": "dir/a b.txt", "branch": "main", "content": "x", "commit_message": "again"})
    refused(404, project.files.get, "nothing", ref="main")
    project.commits.create(
        {
            "branch": "topic",
            "start_branch": "main",
            "commit_message": "many",
            "actions": [
                {"action": "create", "file_path": "bytes", "content": base64.b64encode(bytes(range(256))).decode(), "encoding": "base64"},
                {"action": "delete", "file_path": "dir/a b.txt"},
            ],
        }
    )
    assert project.files.raw("bytes", ref="topic") == bytes(range(256))
    assert sorted(e["path"] for e in project.repository_tree(ref="topic")) == ["README.md", "bytes"]
    assert {b.name for b in project.branches.list()} == {"main", "topic"}
    project.branches.create({"branch": "other", "ref": "topic"})
    project.branches.delete("other")
    tag = project.tags.create({"tag_name": "v1", "ref": "main", "message": "first"})
    assert tag.message == "first"
    assert project.repository_archive(format="tar.gz") == project.repository_archive(format="tar.gz")
    assert len(project.repository_compare("main", "topic")["diffs"]) == 2
    assert len(project.commits.list(ref_name="main")) == 3
    project.files.delete(file_path="dir/a b.txt", branch="main", commit_message="remove")
    refused(404, project.files.get, "dir/a b.txt", ref="main")
    user, own = new_user()
    project.members.create({"user_id": user.id, "access_level": 30})
    error = refused(403, own.projects.get(project.id).commits.create, {"branch": "main", "commit_message": "no", "actions": [{"action": "create", "file_path": "z", "content": "z"}]})
    assert "not allowed to push into this branch" in str(error)


def pages():
    group = root.groups.create({"name": name("group"), "path": name("group")})
    for number in range(23):
        root.projects.create({"name": "p%02d" % number, "namespace_id": group.id})
    first = group.projects.list(order_by="name", sort="asc", per_page=10)
    assert [p.name for p in first] == ["p%02d" % n for n in range(10)]
    everything = group.projects.list(order_by="name", sort="asc", per_page=10, iterator=True)
    assert everything.total == 23 and everything.total_pages == 3
    assert [p.name for p in everything] == ["p%02d" % n for n in range(23)]


{f.__name__: f for f in (users, groups_and_members, projects, personal_tokens, impersonation_tokens, place_tokens, deploy_tokens, protected_branches, files, pages)}[STEP]()
