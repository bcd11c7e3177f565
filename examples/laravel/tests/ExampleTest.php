<?php

namespace Tests;

use Illuminate\Contracts\Console\Kernel;

class ExampleTest extends TestCase
{
    public function test_the_page_shows_versions_and_the_assets_of_its_build(): void
    {
        $this->get('/')
            ->assertOk()
            ->assertSee(app()->version())
            ->assertSee(PHP_VERSION)
            ->assertSee('https://assets.example/b1/css/app.css', false)
            ->assertSee('https://assets.example/b1/images/hover.svg', false);
    }

    public function test_the_application_is_up(): void
    {
        $this->get('/up')->assertOk()->assertSeeText('up');
    }

    public function test_a_deploy_command_has_to_run_first(): void
    {
        $this->get('/migrated')->assertStatus(503);
        $this->assertSame(0, $this->app->make(Kernel::class)->call('example:prepare'));
        $this->get('/migrated')->assertOk()->assertJsonStructure(['build', 'at']);
    }

    public function test_a_job_greets(): void
    {
        $this->get('/greetings/Ada')->assertNotFound();
        $this->post('/greetings/Ada')->assertStatus(202);
        $this->get('/greetings/Ada')->assertOk()->assertJson(['greeting' => 'Hello, Ada!', 'attempt' => 1]);
    }

    public function test_a_command_fails_with_the_code_it_is_asked_for(): void
    {
        $kernel = $this->app->make(Kernel::class);
        $this->assertSame(7, $kernel->call('example:fail', ['code' => '7']));
    }
}
