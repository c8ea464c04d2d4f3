"""Drives deploy keys and SSH keys of a running server with an unmodified python-gitlab.

Usage: python3 ssh-keys-python-gitlab-steps.py URL ROOT_TOKEN STEP KEY... Exit code 0 when every assertion of the step held.
"""

import sys

import gitlab

URL, ROOT_TOKEN, STEP = sys.argv[1:4]
KEYS = sys.argv[4:]
root = gitlab.Gitlab(URL, private_token=ROOT_TOKEN)


def refused(status, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except gitlab.GitlabError as error:
        assert error.response_code == status, error
        return str(error.error_message)
    raise AssertionError("expected a refusal with status %d" % status)


def deploy_keys():
    first = root.projects.create({"name": "py-first"})
    second = root.projects.create({"name": "py-second"})
    key = first.keys.create({"title": "build", "key": KEYS[0], "can_push": True})
    assert (key.title, key.key, key.can_push) == ("build", KEYS[0], True)
    key.can_push = False
    key.title = "builder"
    key.save()
    key = first.keys.get(key.id)
    assert (key.title, key.can_push) == ("builder", False)
    second.keys.enable(key.id)
    assert [each.id for each in second.keys.list(get_all=True)] == [key.id]
    found = root.keys.get(fingerprint=key.fingerprint_sha256)
    assert [each["project_id"] for each in found.deploy_keys_projects] == [first.id, second.id]
    assert root.keys.get(fingerprint=key.fingerprint).id == key.id
    everything = root.deploykeys.list(get_all=True)
    assert [each.title for each in everything] == ["builder"]
    assert root.users.list(username="root")[0].id == found.user["id"]
    key.delete()
    second.keys.delete(key.id)
    refused(404, second.keys.get, key.id)
    refused(404, second.keys.delete, key.id)
    assert "is invalid" in refused(400, first.keys.create, {"title": "bad", "key": "no key"})
    shared = root.http_post("/deploy_keys", post_data={"title": "shared", "key": KEYS[1]})
    second.keys.enable(shared["id"])
    assert [each.id for each in root.deploykeys.list(get_all=True, public=True)] == [shared["id"]]


def user_keys():
    root.auth()
    key = root.user.keys.create({"title": "laptop", "key": KEYS[2]})
    assert root.user.keys.get(key.id).title == "laptop"
    assert [each.id for each in root.user.keys.list(get_all=True)] == [key.id]
    user = root.users.create({"username": "pyuser", "name": "P", "email": "pyuser@example.com", "password": "a long password", "skip_confirmation": True})
    assert "already been taken" in refused(400, user.keys.create, {"title": "x", "key": KEYS[2]})
    theirs = user.keys.create({"title": "theirs", "key": KEYS[3], "usage_type": "signing"})
    nobody = gitlab.Gitlab(URL)
    assert [each.id for each in nobody.users.get(user.id, lazy=True).keys.list(get_all=True)] == [theirs.id]
    theirs.delete()
    assert user.keys.list(get_all=True) == []
    key.delete()
    refused(404, root.user.keys.delete, key.id)


{"deploy_keys": deploy_keys, "user_keys": user_keys}[STEP]()
