"""Both hooks behind one face, so that a test can be played with each."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from adobe_experience_platform.hooks.async_hook import AdobeExperiencePlatformAsyncHook
from adobe_experience_platform.hooks.http_hook import AdobeExperiencePlatformHook


class Sync:
    """The hook of the workers."""

    def __init__(self, sandbox_name=None, conn_id="aep_test"):
        self.hook = AdobeExperiencePlatformHook(conn_id, sandbox_name)

    def call(self, call):
        return self.hook.call(call)

    def call_together(self, *calls):
        with ThreadPoolExecutor(len(calls)) as pool:
            hooks = [AdobeExperiencePlatformHook(self.hook.aep_conn_id) for _ in calls]
            return list(pool.map(lambda pair: pair[0].call(pair[1]), zip(hooks, calls, strict=True)))

    def close(self):
        pass


class Async:
    """The hook of the triggerer, on a loop of its own."""

    def __init__(self, sandbox_name=None, conn_id="aep_test"):
        self.runner = asyncio.Runner()
        self.hook = AdobeExperiencePlatformAsyncHook(conn_id, sandbox_name)

    def call(self, call):
        return self.runner.run(self.hook.call(call))

    def call_together(self, *calls):
        async def all_calls():
            return await asyncio.gather(*(self.hook.call(call) for call in calls))

        return self.runner.run(all_calls())

    def close(self):
        self.runner.run(self.hook.close())
        self.runner.close()
