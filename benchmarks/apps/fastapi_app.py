from fastapi import FastAPI

app = FastAPI()


@app.get("/user/{name}")
async def user(name: str, times: int = 1):
    return {"name": name, "times": times, "greetings": [f"Hello, {name}!"] * times}
