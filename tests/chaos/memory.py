async def run(messages): raise NotImplementedError
