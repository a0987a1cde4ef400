def test_all_companies_in_api_mode(world):
    run = world.migrate()
    print(world.visited, world.ends, run.error, run.notes)
    assert run.status == "complete", run.error
